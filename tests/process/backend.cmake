# librejoin and rejoinctl against a real broker.
add_library(rj_test_backend STATIC backend_support.c)
target_link_libraries(rj_test_backend PUBLIC rejoin rj_test_process rj_flags PkgConfig::CMOCKA)

foreach(name test_backend_publish test_backend_tail test_backend_ctl)
    rj_unit_tests(${name} process rj_test_backend rj_base)
    add_dependencies(${name} rejoin-broker rejoinctl example-publisher example-echo example-consumer)
endforeach()

rj_unit_tests(test_backend_serve process rj_test_backend rj_test_serve rj_base)
rj_unit_tests(test_backend_reads process rj_test_backend)
add_dependencies(test_backend_serve rejoin-broker)
add_dependencies(test_backend_reads rejoin-broker)

# What the official protocol suite talks to, and the backend that the end-to-end tests steer; in bin/, beside the
# programs that they need.
rejoin_program(socketio-suite-backend ../support/socketio_suite_backend.c)
add_executable(backend-driver ../support/backend_driver.c ../support/driver_tell.c)
target_link_libraries(backend-driver PRIVATE rejoin rj_base rj_flags)
set_target_properties(backend-driver PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
