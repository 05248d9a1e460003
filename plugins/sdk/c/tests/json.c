// JSON, as a program of the machine: `cc -I. json.c tests/json.c -o test && ./test FIXTURES…`.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static int failed;

static rw_text text(const char *c) { return (rw_text){c, strlen(c)}; }

static void is(const char *json, const char *path, const char *expected) {
    rw_text found = rw_json_text(text(json), path);
    if (found.len == strlen(expected) && memcmp(found.data, expected, found.len) == 0) return;
    printf("%s of %s is %.*s and not %s\n", path, json, (int)found.len, found.data, expected);
    failed = 1;
}

static void valid(const char *json, bool expected) {
    if (rw_json_valid(text(json)) == expected) return;
    printf("%s is %s\n", json, expected ? "refused" : "taken");
    failed = 1;
}

int main(int count, char **files) {
    const char *json = " {\"a\" : {\"b\":\"x\\u00fc\\ud83d\\ude00\\n\\\"\", \"n\":-1.5e3,\"z\":null},\"\\u0063\": \"1\", \"d\":2, "
                       "\"deep\":[{\"c\":9}], \"d\": 3}";
    is(json, "a.b", "xü😀\n\"");
    is(json, "a.n", "-1.5e3");
    is(json, "a.z", "");
    is(json, "a.missing", "");
    is(json, "a.b.c", "");
    is(json, "c", "1");
    is(json, "d", "3");
    is("{\"half\":\"\\ud800!\"}", "half", "\xEF\xBF\xBD!");
    is("{\"broken", "broken", "");
    const char *good[] = {"{}", "[]", " [1,2 , {\"a\":[]}] ", "\"\"", "0", "-0.1E+7", "true", "null"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) valid(good[i], true);
    const char *bad[] = {"", "{", "{\"a\"}", "[1,]", "{} x", "01", "1.", "\"\\x\"", "\"\\u12g4\"", "\"a\nb\"", "nul", "{a:1}", "-", "'a'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) valid(bad[i], false);
    char deep[1000];
    memset(deep, '[', 500);
    memset(deep + 500, ']', 499);
    deep[999] = 0;
    valid(deep, false);

    rw_text item;
    if (!rw_json_item(text(" [1 , {\"a\":[2]}, null]"), 1, &item) || item.len != 9) failed = 1, printf("the second item is wrong\n");
    if (rw_json_item(text("[1,2]"), 2, &item) || rw_json_item(text("[]"), 0, &item) || rw_json_item(text("{}"), 0, &item)) {
        failed = 1, printf("an item is there that is not\n");
    }
    rw_text plain = {"a\"\\\n\x1f\0\u00fc", 8}, quoted = rw_json_quote(plain);
    if (quoted.len != 27 || memcmp(quoted.data, "\"a\\\"\\\\\\u000a\\u001f\\u0000\u00fc\"", 27) != 0 || !rw_json_valid(quoted)) {
        failed = 1, printf("quoted it is %.*s\n", (int)quoted.len, quoted.data);
    }

    int bodies = 0;
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(files[i], "r");
        if (!file) return perror(files[i]), 1;
        static char line[1 << 20];
        while (fgets(line, sizeof line, file)) {
            rw_text body = rw_json_text(text(line), "body");
            rw_text id = rw_json_text(body, "id");
            if (!rw_json_valid(body) || id.len != 15 || memcmp(id.data, "EV_", 3) != 0) {
                printf("%s: cannot read %s\n", files[i], line);
                failed = 1;
            }
            bodies++;
        }
        fclose(file);
    }
    printf("%d recorded bodies\n", bodies);
    return failed || (count > 1 && bodies == 0);
}
