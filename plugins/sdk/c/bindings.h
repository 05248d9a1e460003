// From the bindings to plain C and back: for the library's own files.
#ifndef ROOMWIRE_BINDINGS_H
#define ROOMWIRE_BINDINGS_H

#include "roomwire.h"
#include "wit/plugin.h"

static inline rw_text rw_from(plugin_string_t text) { return (rw_text){(const char *)text.ptr, text.len}; }

static inline plugin_string_t rw_lent(rw_text text) { return (plugin_string_t){(uint8_t *)text.data, text.len}; }

static inline plugin_list_u8_t rw_bytes(rw_text text) { return (plugin_list_u8_t){(uint8_t *)text.data, text.len}; }

plugin_list_tuple2_string_string_t rw_pairs(const rw_header *headers, size_t count);

// Why the host did not take an effect.
rw_outcome rw_not_taken(roomwire_plugin_effects_error_t error);

#endif
