# Warnings and hardening. PORTCULLIS_C_FLAGS also go into the private mbedTLS.

set(PORTCULLIS_WARNINGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
    -Wformat=2 -Wimplicit-fallthrough -Wundef)
if(PORTCULLIS_WERROR)
    list(APPEND PORTCULLIS_WARNINGS -Werror)
endif()

set(PORTCULLIS_C_FLAGS "")
set(PORTCULLIS_LINK_FLAGS "")

if(PORTCULLIS_HARDEN)
    list(APPEND PORTCULLIS_C_FLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
        -fstack-clash-protection)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i[3-6]86")
        list(APPEND PORTCULLIS_C_FLAGS -fcf-protection)
    endif()
    list(APPEND PORTCULLIS_LINK_FLAGS -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
endif()

# The same sources give the same octets in every folder (scripts/reproduce). In releases alone: where one works on
# them, tools want to find the files.
if(PORTCULLIS_HARDEN)
    set(prefix_maps "-ffile-prefix-map=${PORTCULLIS_CACHE}=cache" "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.")
    add_compile_options(${prefix_maps})
    add_link_options(${prefix_maps}) # a release's code is made when it is linked
endif()

if(PORTCULLIS_SANITIZE)
    list(APPEND PORTCULLIS_C_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    list(APPEND PORTCULLIS_LINK_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all)
endif()

if(PORTCULLIS_FUZZ)
    list(APPEND PORTCULLIS_C_FLAGS -fsanitize=fuzzer-no-link)
endif()

# Position-independent in every build: an executable (PIE), and static-pie with PORTCULLIS_STATIC.
list(APPEND PORTCULLIS_LINK_FLAGS $<$<BOOL:${PORTCULLIS_STATIC}>:-static-pie> $<$<NOT:$<BOOL:${PORTCULLIS_STATIC}>>:-pie>)
