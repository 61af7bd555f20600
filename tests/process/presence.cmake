# Presence on a real broker: raw peers as gateways and as a backend.
add_library(rj_test_presence STATIC presence_support.c)
target_link_libraries(rj_test_presence PUBLIC rj_test_sockets)

rj_unit_tests(test_broker_presence process rj_test_presence)
add_dependencies(test_broker_presence rejoin-broker)
