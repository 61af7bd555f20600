# Presence on a real broker: raw peers as gateways and as a backend.
add_library(rj_test_presence STATIC presence_support.c)
target_link_libraries(rj_test_presence PUBLIC rj_test_sockets)

foreach(test test_broker_presence test_broker_presence_random)
    rj_unit_tests(${test} process rj_test_presence)
    add_dependencies(${test} rejoin-broker)
endforeach()
rj_unit_tests(test_backend_presence process rj_test_presence rejoin)
add_dependencies(test_backend_presence rejoin-broker)
