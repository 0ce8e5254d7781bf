// SPDX-License-Identifier: BSL-1.0
// How the search sorts its results: Sphinx's own figures, but guides and the reference come before
// pages about the project and before sources.
var Scorer = {
  score: ([page, , anchor, , score]) => {
    const isExample = /^example\/(?!index)/.test(page);
    if (isExample && anchor) return 0; // the name of a source file, such as options.cpp
    const isAside = isExample || /^(bench|changelog|contributing|design|licence)$/.test(page);
    return isAside ? score - 5 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: {0: 15, 1: 5, 2: -5},
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
