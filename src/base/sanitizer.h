/* Whether AddressSanitizer looks on, and what memory it is told about. */
#ifndef PORTCULLIS_SRC_BASE_SANITIZER_H
#define PORTCULLIS_SRC_BASE_SANITIZER_H

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESSES_ARE_CHECKED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ADDRESSES_ARE_CHECKED 1
#endif

#ifdef ADDRESSES_ARE_CHECKED
#include <sanitizer/asan_interface.h>
#else
#define ADDRESSES_ARE_CHECKED                  0
#define ASAN_POISON_MEMORY_REGION(ptr, size)   ((void)(ptr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
#endif

#endif
