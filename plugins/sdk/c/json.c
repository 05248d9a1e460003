// A scanner that steps over values, and the few things that are asked of it.

#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 128

typedef struct {
    const char *at, *end;
} scan;

static bool value(scan *s, int depth);

static void blank(scan *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) s->at++;
}

static bool take(scan *s, char c) {
    blank(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Steps over a string with its quotes.
static bool string(scan *s) {
    if (!take(s, '"')) return false;
    while (s->at < s->end) {
        char c = *s->at++;
        if (c == '"') return true;
        if ((unsigned char)c < 0x20) return false;
        if (c != '\\') continue;
        if (s->at == s->end) return false;
        c = *s->at++;
        if (c == 'u') {
            for (int i = 0; i < 4; i++) {
                if (s->at == s->end || hex(*s->at++) < 0) return false;
            }
        } else if (!strchr("\"\\/bfnrt", c) || c == 0) {
            return false;
        }
    }
    return false;
}

static bool digits(scan *s) {
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') s->at++;
    return s->at > from;
}

static bool number(scan *s) {
    if (s->at < s->end && *s->at == '-') s->at++;
    if (s->at < s->end && *s->at == '0') s->at++;
    else if (!digits(s)) return false;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!digits(s)) return false;
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-')) s->at++;
        if (!digits(s)) return false;
    }
    return true;
}

static bool word(scan *s, const char *text) {
    size_t len = strlen(text);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0) return false;
    s->at += len;
    return true;
}

static bool items(scan *s, char close, bool named, int depth) {
    s->at++;
    if (take(s, close)) return true;
    do {
        if (named && !(string(s) && take(s, ':'))) return false;
        if (!value(s, depth)) return false;
    } while (take(s, ','));
    return take(s, close);
}

// Steps over one value.
static bool value(scan *s, int depth) {
    blank(s);
    if (depth == 0 || s->at == s->end) return false;
    switch (*s->at) {
    case '{': return items(s, '}', true, depth - 1);
    case '[': return items(s, ']', false, depth - 1);
    case '"': return string(s);
    case 't': return word(s, "true");
    case 'f': return word(s, "false");
    case 'n': return word(s, "null");
    default: return number(s);
    }
}

bool rw_json_valid(rw_text json) {
    scan s = {json.data, json.data + json.len};
    if (!value(&s, DEPTH)) return false;
    blank(&s);
    return s.at == s.end;
}

static char *put(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

static uint32_t unit(const char *at) {
    return (uint32_t)(hex(at[0]) << 12 | hex(at[1]) << 8 | hex(at[2]) << 4 | hex(at[3]));
}

// A string that was stepped over, without quotes and escapes. Half a surrogate pair becomes U+FFFD.
static rw_text unescape(rw_text string) {
    const char *at = string.data + 1, *end = string.data + string.len - 1;
    char *made = malloc(string.len), *to = made;
    if (!made) abort();
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        char c = at[1];
        at += 2;
        if (c != 'u') {
            const char *from = "bfnrt", *place = strchr(from, c);
            *to++ = place ? "\b\f\n\r\t"[place - from] : c;
            continue;
        }
        uint32_t code = unit(at);
        at += 4;
        if (code >= 0xD800 && code < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
            uint32_t low = unit(at + 2);
            if (low >= 0xDC00 && low < 0xE000) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                at += 6;
            }
        }
        to = put(to, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
    }
    return (rw_text){made, (size_t)(to - made)};
}

// The value of a key of an object. Of a key that is there twice the last one counts, as in most languages.
static bool member(rw_text json, const char *key, size_t key_len, rw_text *found) {
    scan s = {json.data, json.data + json.len};
    bool is_there = false;
    if (!take(&s, '{') || take(&s, '}')) return false;
    do {
        blank(&s);
        const char *from = s.at;
        if (!string(&s)) return false;
        rw_text name = unescape((rw_text){from, (size_t)(s.at - from)});
        bool same = name.len == key_len && memcmp(name.data, key, key_len) == 0;
        free((void *)name.data);
        if (!take(&s, ':')) return false;
        blank(&s);
        from = s.at;
        if (!value(&s, DEPTH)) return false;
        if (same) {
            *found = (rw_text){from, (size_t)(s.at - from)};
            is_there = true;
        }
    } while (take(&s, ','));
    return is_there;
}

bool rw_json_find(rw_text json, const char *path, rw_text *found) {
    while (*path) {
        size_t len = strcspn(path, ".");
        if (!member(json, path, len, &json)) return false;
        path += len;
        if (*path == '.') path++;
    }
    if (json.len == 4 && memcmp(json.data, "null", 4) == 0) return false;
    *found = json;
    return true;
}

rw_text rw_json_text(rw_text json, const char *path) {
    rw_text found;
    if (!rw_json_find(json, path, &found)) return (rw_text){"", 0};
    return *found.data == '"' ? unescape(found) : found;
}

bool rw_json_item(rw_text array, size_t index, rw_text *found) {
    scan s = {array.data, array.data + array.len};
    if (!take(&s, '[') || take(&s, ']')) return false;
    do {
        blank(&s);
        const char *from = s.at;
        if (!value(&s, DEPTH)) return false;
        if (index-- == 0) return *found = (rw_text){from, (size_t)(s.at - from)}, true;
    } while (take(&s, ','));
    return false;
}

rw_text rw_json_quote(rw_text text) {
    char *made = malloc(6 * text.len + 2), *to = made;
    if (!made) abort();
    *to++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\') {
            *to++ = '\\';
            *to++ = (char)byte;
        } else if (byte < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = (char)('0' + (byte >> 4));
            to[5] = "0123456789abcdef"[byte & 15];
            to += 6;
        } else {
            *to++ = (char)byte;
        }
    }
    *to++ = '"';
    return (rw_text){made, (size_t)(to - made)};
}
