# libcrypto of OpenSSL 3, the primitives of CRYPTO_ENGINE=openssl. Where it is linked statically, its
# own X25519 can be called: tried here on RFC 7748's first numbers (5.2).
portcullis_library(TARGET pc_libcrypto PKG libcrypto MIN 3.0 HEADER openssl/evp.h
    STATIC libcrypto.a SHARED crypto NEEDS pthread dl)
# What the archive itself needs besides: compression of TLS certificates, in Debian 13.
foreach(name z zstd)
    find_library(pc_libcrypto_needs_${name} NAMES lib${name}.a ${name} NAMES_PER_DIR)
    if(name IN_LIST pc_libcrypto_STATIC_LIBRARIES AND pc_libcrypto_needs_${name})
        target_link_libraries(pc_libcrypto INTERFACE "${pc_libcrypto_needs_${name}}")
        list(APPEND pc_libcrypto_more "${pc_libcrypto_needs_${name}}")
    endif()
endforeach()

set(test "
#include <stdint.h>
#include <string.h>
int ossl_x25519(uint8_t shared[32], const uint8_t private_key[32], const uint8_t peer[32]);
int main(void)
{
    static const uint8_t scalar[32] = {
        0xa5, 0x46, 0xe3, 0x6b, 0xf0, 0x52, 0x7c, 0x9d, 0x3b, 0x16, 0x15, 0x4b, 0x82, 0x46, 0x5e, 0xdd,
        0x62, 0x14, 0x4c, 0x0a, 0xc1, 0xfc, 0x5a, 0x18, 0x50, 0x6a, 0x22, 0x44, 0xba, 0x44, 0x9a, 0xc4};
    static const uint8_t point[32] = {
        0xe6, 0xdb, 0x68, 0x67, 0x58, 0x30, 0x30, 0xdb, 0x35, 0x94, 0xc1, 0xa4, 0x24, 0xb1, 0x5f, 0x7c,
        0x72, 0x66, 0x24, 0xec, 0x26, 0xb3, 0x35, 0x3b, 0x10, 0xa9, 0x03, 0xa6, 0xd0, 0xab, 0x1c, 0x4c};
    static const uint8_t result[32] = {
        0xc3, 0xda, 0x55, 0x37, 0x9d, 0xe9, 0xc6, 0x90, 0x8e, 0x94, 0xea, 0x4d, 0xf2, 0x8d, 0x08, 0x4f,
        0x32, 0xec, 0xcf, 0x03, 0x49, 0x1c, 0x71, 0xf7, 0x54, 0xb4, 0x07, 0x55, 0x77, 0xa2, 0x85, 0x52};
    uint8_t out[32];
    return ossl_x25519(out, scalar, point) == 1 && memcmp(out, result, 32) == 0 ? 0 : 1;
}
")
include(CheckCSourceRuns)
set(CMAKE_REQUIRED_LIBRARIES "${pc_libcrypto_LIBRARY}" ${pc_libcrypto_more} pthread dl)
set(CMAKE_REQUIRED_INCLUDES "${pc_libcrypto_INCLUDE}")
set(CMAKE_REQUIRED_QUIET ON)
check_c_source_runs("${test}" PC_HAVE_OSSL_X25519)
unset(CMAKE_REQUIRED_LIBRARIES)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_QUIET)
if(PC_HAVE_OSSL_X25519)
    target_compile_definitions(pc_libcrypto INTERFACE PC_HAVE_OSSL_X25519=1)
endif()
