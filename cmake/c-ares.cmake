# c-ares, name lookups at run time, on the loop of net/. Some of 1.18's calls, which Debian 12 has, are
# deprecated in Debian 13's, without others that both have.
portcullis_library(TARGET pc_cares PKG libcares MIN 1.18 HEADER ares.h
    STATIC libcares.a libcares_static.a SHARED cares)
target_compile_definitions(pc_cares INTERFACE CARES_STATICLIB CARES_NO_DEPRECATED)
