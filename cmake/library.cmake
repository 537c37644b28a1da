# portcullis_library(TARGET name PKG pkg-config-module MIN version HEADER header STATIC names SHARED names)
#
# Finds one of Debian's libraries: its static archive where there is one, else its shared library
# (never with PORTCULLIS_STATIC), and gives it as the interface target TARGET.

find_package(PkgConfig REQUIRED)

function(portcullis_library)
    cmake_parse_arguments(PARSE_ARGV 0 L "" "TARGET;PKG;MIN;HEADER" "STATIC;SHARED;NEEDS")
    pkg_check_modules(${L_TARGET} QUIET "${L_PKG}>=${L_MIN}")
    if(NOT ${L_TARGET}_FOUND)
        message(FATAL_ERROR "${L_PKG} ${L_MIN} or later is needed; scripts/install-deps installs it.")
    endif()
    # A system folder of headers must not become a -isystem of its own.
    find_path(${L_TARGET}_INCLUDE "${L_HEADER}" HINTS ${${L_TARGET}_INCLUDE_DIRS} REQUIRED)
    set(names ${L_STATIC})
    if(NOT PORTCULLIS_STATIC)
        list(APPEND names ${L_SHARED})
    endif()
    find_library(${L_TARGET}_LIBRARY NAMES ${names} NAMES_PER_DIR HINTS ${${L_TARGET}_LIBRARY_DIRS})
    if(NOT ${L_TARGET}_LIBRARY)
        message(FATAL_ERROR "no library of ${L_PKG} found (looked for: ${names})")
    endif()
    message(STATUS "${L_PKG} ${${L_TARGET}_VERSION}: ${${L_TARGET}_LIBRARY}")
    add_library(${L_TARGET} INTERFACE)
    target_include_directories(${L_TARGET} SYSTEM INTERFACE "${${L_TARGET}_INCLUDE}")
    target_link_libraries(${L_TARGET} INTERFACE "${${L_TARGET}_LIBRARY}" ${L_NEEDS})
endfunction()
