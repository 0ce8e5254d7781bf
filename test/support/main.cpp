// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API

#include "support.hpp"

#include <csignal>

int main(int argc, char* argv[]) {
    std::signal(SIGXFSZ, SIG_IGN); // tests expect EFBIG; the default action ends the process
    std::signal(SIGPIPE, SIG_IGN);
    const auto add_tests = [] {
        test::add_engine_tests();
        return true;
    };
    return boost::unit_test::unit_test_main(+add_tests, argc, argv);
}
