# mbedTLS: private and static, with our configuration and patches. Built once for each combination of
# release, configuration, patches, compiler and flags, and kept outside the build folder. With a crypto
# engine it is another build, which leaves out what src/crypto has and needs it to link.
#
# Gives the targets pc_mbedtls and pc_mbedtls_headers. PORTCULLIS_MBEDTLS_TARBALL names a release tarball to use instead.

set(PORTCULLIS_MBEDTLS_TARBALL "" CACHE FILEPATH "mbedTLS release tarball (empty: fetched and checked)")

function(portcullis_mbedtls_tarball out)
    if(PORTCULLIS_MBEDTLS_TARBALL)
        set(${out} "${PORTCULLIS_MBEDTLS_TARBALL}" PARENT_SCOPE)
        return()
    endif()
    execute_process(
        COMMAND "${PROJECT_SOURCE_DIR}/cmake/fetch-mbedtls" "${PORTCULLIS_CACHE}/mbedtls"
        OUTPUT_VARIABLE tarball ERROR_VARIABLE log RESULT_VARIABLE rc OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT rc EQUAL 0)
        message(FATAL_ERROR "mbedTLS could not be fetched:\n${log}"
            "Set PORTCULLIS_MBEDTLS_TARBALL to an mbedtls-3.6.x.tar.bz2, 3.6.6 or later.")
    endif()
    set(${out} "${tarball}" PARENT_SCOPE)
endfunction()

function(portcullis_mbedtls_check_version version)
    if(version VERSION_LESS 3.6.6)
        message(FATAL_ERROR "mbedTLS ${version} is refused: versions before 3.6.6 let clients past the "
            "certificate check or share random state over a fork (CVE-2026-34873, CVE-2026-25835, "
            "CVE-2026-25833, CVE-2024-45159). Use 3.6.6 or a later 3.6.x.")
    endif()
    if(NOT version VERSION_LESS 3.7)
        message(FATAL_ERROR "mbedTLS ${version} is not supported: Portcullis is written for 3.6.x.")
    endif()
endfunction()

function(portcullis_mbedtls_build tarball flags prefix log)
    set(work "${prefix}.work")
    file(REMOVE_RECURSE "${work}" "${prefix}")
    file(MAKE_DIRECTORY "${work}")
    file(ARCHIVE_EXTRACT INPUT "${tarball}" DESTINATION "${work}")
    file(GLOB source "${work}/mbedtls-*")
    if(NOT EXISTS "${source}/include/mbedtls/build_info.h")
        message(FATAL_ERROR "${tarball} is not an mbedTLS release tarball")
    endif()
    file(STRINGS "${source}/include/mbedtls/build_info.h" line REGEX "MBEDTLS_VERSION_STRING +\"")
    string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${line}")
    portcullis_mbedtls_check_version("${version}")

    foreach(patch IN LISTS PORTCULLIS_MBEDTLS_PATCHES)
        execute_process(COMMAND patch -p1 --forward --input "${patch}" WORKING_DIRECTORY "${source}"
            OUTPUT_VARIABLE out ERROR_VARIABLE out RESULT_VARIABLE rc)
        if(NOT rc EQUAL 0)
            message(FATAL_ERROR "${patch} does not apply to mbedTLS ${version}:\n${out}")
        endif()
    endforeach()
    file(COPY_FILE "${PROJECT_SOURCE_DIR}/cmake/mbedtls_config.h" "${source}/include/mbedtls/mbedtls_config.h")
    if(PORTCULLIS_MBEDTLS_ENGINE)
        file(READ "${PROJECT_SOURCE_DIR}/cmake/mbedtls_engine_config.h" config)
        file(APPEND "${source}/include/mbedtls/mbedtls_config.h" "\n${config}")
        file(COPY ${PORTCULLIS_MBEDTLS_ALT} DESTINATION "${source}/include/mbedtls")
    endif()

    message(STATUS "Building mbedTLS ${version} into ${prefix}")
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
    if(cores LESS 1) # No /proc here.
        set(cores 1)
    endif()
    foreach(step
        "-S;${source};-B;${work}/build;-G;${CMAKE_GENERATOR};-DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM};\
-DCMAKE_C_COMPILER=${CMAKE_C_COMPILER};-DCMAKE_BUILD_TYPE=None;-DCMAKE_C_FLAGS=${flags} -ffile-prefix-map=${work}=.;\
-DCMAKE_INSTALL_PREFIX=${work}/prefix;-DCMAKE_INSTALL_LIBDIR=lib;-DENABLE_PROGRAMS=OFF;-DENABLE_TESTING=OFF;\
-DGEN_FILES=OFF;-DUSE_STATIC_MBEDTLS_LIBRARY=ON;-DUSE_SHARED_MBEDTLS_LIBRARY=OFF;-DMBEDTLS_FATAL_WARNINGS=OFF"
        "--build;${work}/build;--target;install;--parallel;${cores}")
        execute_process(COMMAND "${CMAKE_COMMAND}" ${step}
            OUTPUT_VARIABLE out ERROR_VARIABLE out RESULT_VARIABLE rc)
        file(APPEND "${log}" "${out}\n")
        if(NOT rc EQUAL 0)
            string(LENGTH "${out}" length)
            math(EXPR from "${length} - 3000")
            if(from LESS 0)
                set(from 0)
            endif()
            string(SUBSTRING "${out}" ${from} -1 tail)
            message(FATAL_ERROR "mbedTLS does not build (all of it in ${log}):\n${tail}")
        endif()
    endforeach()
    file(WRITE "${work}/prefix/version" "${version}")
    file(RENAME "${work}/prefix" "${prefix}")
    file(REMOVE_RECURSE "${work}")
endfunction()

file(GLOB PORTCULLIS_MBEDTLS_PATCHES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/patches/*.patch")
list(SORT PORTCULLIS_MBEDTLS_PATCHES)
set(PORTCULLIS_MBEDTLS_ENGINE "")
set(PORTCULLIS_MBEDTLS_ALT "")
if(NOT CRYPTO_ENGINE STREQUAL builtin)
    file(GLOB PORTCULLIS_MBEDTLS_ALT CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/mbedtls_alt/*.h")
    set(PORTCULLIS_MBEDTLS_ENGINE "${PROJECT_SOURCE_DIR}/cmake/mbedtls_engine_config.h" ${PORTCULLIS_MBEDTLS_ALT})
endif()

portcullis_mbedtls_tarball(tarball)
string(JOIN " " flags ${PORTCULLIS_C_FLAGS})
# A function that a patch forgot to declare: a warning to older compilers, an error to newer ones.
set(flags "-g -O2 -fPIE -Werror=implicit-function-declaration ${flags} ${CMAKE_C_FLAGS}")
set(key "${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} ${CMAKE_SYSTEM_PROCESSOR} ${flags}")
foreach(file IN ITEMS "${tarball}" "${PROJECT_SOURCE_DIR}/cmake/mbedtls_config.h" "${CMAKE_CURRENT_LIST_FILE}"
        ${PORTCULLIS_MBEDTLS_PATCHES} ${PORTCULLIS_MBEDTLS_ENGINE})
    file(SHA256 "${file}" hash)
    string(APPEND key " ${hash}")
endforeach()
string(SHA256 key "${key}")
string(SUBSTRING "${key}" 0 16 key)
set(prefix "${PORTCULLIS_CACHE}/mbedtls/built-${key}")

# Two configures at once: one builds, the other waits and finds it built.
file(MAKE_DIRECTORY "${PORTCULLIS_CACHE}/mbedtls")
file(LOCK "${prefix}.lock" TIMEOUT 900)
if(NOT EXISTS "${prefix}/version")
    portcullis_mbedtls_build("${tarball}" "${flags}" "${prefix}" "${prefix}.log")
endif()
file(LOCK "${prefix}.lock" RELEASE)

file(READ "${prefix}/version" version)
portcullis_mbedtls_check_version("${version}")
message(STATUS "mbedTLS ${version}: ${prefix}")
set(PORTCULLIS_MBEDTLS_PREFIX "${prefix}" CACHE INTERNAL "where the private mbedTLS is")

add_library(pc_mbedtls_headers INTERFACE)
target_include_directories(pc_mbedtls_headers SYSTEM INTERFACE "${prefix}/include")
add_library(pc_mbedtls INTERFACE)
set(archives "${prefix}/lib/libmbedtls.a" "${prefix}/lib/libmbedx509.a" "${prefix}/lib/libmbedcrypto.a")
foreach(extra IN ITEMS everest p256m)
    if(EXISTS "${prefix}/lib/lib${extra}.a")
        list(APPEND archives "${prefix}/lib/lib${extra}.a")
    endif()
endforeach()
if(CRYPTO_ENGINE STREQUAL builtin)
    target_link_libraries(pc_mbedtls INTERFACE pc_mbedtls_headers ${archives})
else()
    # mbedTLS calls src/crypto and src/crypto calls mbedTLS. TLS 1.3's key exchange goes through these three.
    string(REPLACE ";" "," archives "${archives}")
    target_link_libraries(pc_mbedtls INTERFACE pc_mbedtls_headers "$<LINK_GROUP:RESCAN,${archives},pc_crypto>"
        -Wl,--wrap=mbedtls_psa_ecp_generate_key
        -Wl,--wrap=mbedtls_psa_ecp_export_public_key
        -Wl,--wrap=mbedtls_psa_key_agreement_ecdh)
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/cmake/mbedtls_config.h" ${PORTCULLIS_MBEDTLS_PATCHES} ${PORTCULLIS_MBEDTLS_ENGINE})
