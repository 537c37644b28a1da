# Criterion, the runner of the unit tests. Without it the program still builds.
pkg_check_modules(CRITERION QUIET IMPORTED_TARGET "criterion>=2.3")
if(CRITERION_FOUND)
    message(STATUS "criterion ${CRITERION_VERSION}")
else()
    message(STATUS "criterion: not found, so no unit tests (scripts/install-deps --test installs it)")
endif()
