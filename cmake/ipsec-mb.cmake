# Intel's ipsec-mb, x86-64 alone: AES-GCM with VAES and AVX-512, and with little ado for small records. Its functions
# are called by name, some of which are in no header: so it is tried whether they are there. Without it libcrypto's
# AES-GCM is used.
add_library(pc_ipsec_mb INTERFACE)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    return()
endif()
if(NOT PORTCULLIS_IPSEC_MB)
    message(STATUS "ipsec-mb: not asked for (PORTCULLIS_IPSEC_MB), AES-GCM is libcrypto's")
    return()
endif()
find_path(pc_ipsec_mb_INCLUDE intel-ipsec-mb.h)
find_library(pc_ipsec_mb_LIBRARY NAMES libIPSec_MB.a NAMES_PER_DIR)
if(NOT (pc_ipsec_mb_INCLUDE AND pc_ipsec_mb_LIBRARY))
    message(STATUS "ipsec-mb: not found, AES-GCM is libcrypto's, which is slower (scripts/install-deps installs it)")
    return()
endif()

set(test "
#include <intel-ipsec-mb.h>
void aes_gcm_precomp_128_vaes_avx512(struct gcm_key_data *);
void aes_gcm_enc_128_vaes_avx512(void);
void aes_gcm_dec_256_vaes_avx512(void);
void *volatile used[] = {(void *)aes_keyexp_128_enc_avx, (void *)aes_gcm_precomp_128_vaes_avx512,
    (void *)aes_gcm_precomp_128_avx_gen2, (void *)aes_gcm_enc_128_vaes_avx512, (void *)aes_gcm_dec_256_vaes_avx512,
    (void *)aes_gcm_enc_128_avx_gen2, (void *)aes_gcm_dec_256_avx_gen2};
int main(void)
{
    return used[0] == 0;
}
")
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES "${pc_ipsec_mb_LIBRARY}")
set(CMAKE_REQUIRED_INCLUDES "${pc_ipsec_mb_INCLUDE}")
set(CMAKE_REQUIRED_QUIET ON)
check_c_source_compiles("${test}" PC_HAVE_IPSEC_MB)
unset(CMAKE_REQUIRED_LIBRARIES)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_QUIET)
file(STRINGS "${pc_ipsec_mb_INCLUDE}/intel-ipsec-mb.h" line REGEX "define IMB_VERSION_STR")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${line}")
set(pc_ipsec_mb_VERSION "${version}" CACHE INTERNAL "")
if(NOT PC_HAVE_IPSEC_MB)
    message(STATUS "ipsec-mb ${version}: lacks functions that 1.3 has, AES-GCM is libcrypto's")
    return()
endif()
message(STATUS "ipsec-mb ${version}: ${pc_ipsec_mb_LIBRARY}")
target_include_directories(pc_ipsec_mb SYSTEM INTERFACE "${pc_ipsec_mb_INCLUDE}")
target_link_libraries(pc_ipsec_mb INTERFACE "${pc_ipsec_mb_LIBRARY}")
target_compile_definitions(pc_ipsec_mb INTERFACE PC_HAVE_IPSEC_MB=1)
