// SPDX-License-Identifier: BSL-1.0
// Reads and writes of ordinary files: cases 1 to 16.
#include "support.hpp"

using namespace test;

ENGINE_TEST(an_empty_file_is_at_its_end) {
    file f = env.open();
    char buffer[32];
    const outcome result = read_at(env, f, 0, {asio::buffer(buffer)});
    BOOST_TEST(result.ec == asio::error::eof);
    BOOST_TEST(result.bytes == 0u);
}

ENGINE_TEST(reads_what_was_written_and_overwritten) {
    file f = env.open();
    for (const std::string text : {"Hello world", "HELLO WORLD"}) {
        const outcome written = write_at(env, f, 0, {asio::buffer(text)});
        BOOST_TEST(!written.ec);
        BOOST_TEST(written.bytes == text.size());
        std::string back(32, '\0');
        const outcome read = read_at(env, f, 0, {asio::buffer(back)});
        BOOST_TEST(!read.ec);
        BOOST_TEST(back.substr(0, read.bytes) == text);
    }
}
