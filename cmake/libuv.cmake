# libuv, the event loop of net/. Debian 12 calls its static archive libuv_a.a, Debian 13 libuv.a.
portcullis_library(TARGET pc_libuv PKG libuv MIN 1.44 HEADER uv.h
    STATIC libuv_a.a libuv.a SHARED uv NEEDS pthread dl rt)
