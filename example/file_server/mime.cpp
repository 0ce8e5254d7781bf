// SPDX-License-Identifier: BSL-1.0
#include "mime.hpp"

#include "text.hpp"

#include <algorithm>
#include <array>

namespace file_server {
namespace {

struct media_type {
    std::string_view extension;
    std::string_view type;
};

constexpr std::array media_types{
    media_type{"avif", "image/avif"},
    media_type{"bmp", "image/bmp"},
    media_type{"bz2", "application/x-bzip2"},
    media_type{"css", "text/css; charset=utf-8"},
    media_type{"csv", "text/csv; charset=utf-8"},
    media_type{"flac", "audio/flac"},
    media_type{"gif", "image/gif"},
    media_type{"gz", "application/gzip"},
    media_type{"htm", "text/html; charset=utf-8"},
    media_type{"html", "text/html; charset=utf-8"},
    media_type{"ico", "image/vnd.microsoft.icon"},
    media_type{"jpeg", "image/jpeg"},
    media_type{"jpg", "image/jpeg"},
    media_type{"js", "text/javascript; charset=utf-8"},
    media_type{"json", "application/json"},
    media_type{"log", "text/plain; charset=utf-8"},
    media_type{"m4a", "audio/mp4"},
    media_type{"md", "text/markdown; charset=utf-8"},
    media_type{"mjs", "text/javascript; charset=utf-8"},
    media_type{"mkv", "video/matroska"},
    media_type{"mp3", "audio/mpeg"},
    media_type{"mp4", "video/mp4"},
    media_type{"oga", "audio/ogg"},
    media_type{"ogg", "audio/ogg"},
    media_type{"ogv", "video/ogg"},
    media_type{"opus", "audio/ogg"},
    media_type{"otf", "font/otf"},
    media_type{"pdf", "application/pdf"},
    media_type{"png", "image/png"},
    media_type{"svg", "image/svg+xml"},
    media_type{"tar", "application/x-tar"},
    media_type{"tif", "image/tiff"},
    media_type{"tiff", "image/tiff"},
    media_type{"ttf", "font/ttf"},
    media_type{"txt", "text/plain; charset=utf-8"},
    media_type{"wasm", "application/wasm"},
    media_type{"wav", "audio/wav"},
    media_type{"webm", "video/webm"},
    media_type{"webp", "image/webp"},
    media_type{"woff", "font/woff"},
    media_type{"woff2", "font/woff2"},
    media_type{"xhtml", "application/xhtml+xml"},
    media_type{"xml", "application/xml"},
    media_type{"xz", "application/x-xz"},
    media_type{"zip", "application/zip"},
    media_type{"zst", "application/zstd"},
};

} // namespace

std::string_view content_type(std::string_view path) {
    constexpr std::string_view unknown = "application/octet-stream";
    const auto name = path.substr(path.rfind('/') + 1);
    const auto dot = name.rfind('.');
    if (dot == name.npos)
        return unknown;
    const auto extension = name.substr(dot + 1);
    const auto found =
        std::find_if(media_types.begin(), media_types.end(), [&](const media_type& entry) {
            return iequals(entry.extension, extension);
        });
    return found == media_types.end() ? unknown : found->type;
}

} // namespace file_server
