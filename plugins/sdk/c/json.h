// Looking into JSON without a tree: values are found by their path and copied out as text.
#ifndef ROOMWIRE_JSON_H
#define ROOMWIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>

// Text with a length; it may hold any byte, and ends with no zero.
typedef struct {
    const char *data;
    size_t len;
} rw_text;

// Whether the text is one JSON value, and nothing else. Deeper than 128 levels it is not.
bool rw_json_valid(rw_text json);

// The JSON of the value at a path of keys, e.g. "participant.metadata"; false where there is none, or where it is null.
bool rw_json_find(rw_text json, const char *path, rw_text *found);

// The value at a path: a string without its escapes, of anything else its JSON. Empty where there is none. So a 64-bit
// integer is the same as text and as a number.
rw_text rw_json_text(rw_text json, const char *path);

// The JSON of an item of an array, counted from 0; false where there is none. Unlike rw_json_find it tells a null as such.
bool rw_json_item(rw_text array, size_t index, rw_text *found);

// A text as JSON, with its quotes. What is no UTF-8 stays as it is.
rw_text rw_json_quote(rw_text text);

#endif
