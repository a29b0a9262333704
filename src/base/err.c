/*
 * Writes sentences about failures into the caller's storage. Allocates nothing and cannot fail.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void err_record(struct err *err, enum err_kind kind, int number, const char *format, ...)
{
    va_list args;

    must(kind != ERR_NONE);
    err->kind = kind;
    err->number = number;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
}

void err_record_errno(struct err *err, const char *format, ...)
{
    int number = errno;
    va_list args;
    size_t len;

    err->kind = ERR_SYSTEM;
    err->number = number;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof err->text - len, ": %s", strerror(number));
}

void err_prefix(struct err *err, const char *format, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list args;
    size_t len;

    must(err->kind != ERR_NONE);
    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof err->text - len, ": %s", inner);
}
