# Runs at "cmake --install", with SOURCE set to the default configuration. A file that is there already is the
# operator's and stays.
set(folder "${CMAKE_INSTALL_PREFIX}/etc/portcullis")
# Where the program looks by itself.
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
    set(folder "/etc/portcullis")
endif()
if(EXISTS "$ENV{DESTDIR}${folder}/portcullis.conf")
    message(STATUS "Kept: $ENV{DESTDIR}${folder}/portcullis.conf")
else()
    file(INSTALL "${SOURCE}" DESTINATION "${folder}")
endif()
