# PCRE2 with 8-bit characters, the regular expressions of base/regex.
portcullis_library(TARGET pc_pcre2 PKG libpcre2-8 MIN 10.42 HEADER pcre2.h
    STATIC libpcre2-8.a SHARED pcre2-8)
target_compile_definitions(pc_pcre2 INTERFACE PCRE2_CODE_UNIT_WIDTH=8)
