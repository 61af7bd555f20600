# The real gateway between a raw WebSocket client and a broker that the test plays.
add_library(rj_test_fake_broker STATIC ../support/fake_broker.c)
target_link_libraries(rj_test_fake_broker PUBLIC rj_test_process rj_proto PRIVATE PkgConfig::ZMQ)

rj_unit_tests(test_gateway_link process rj_test_fake_broker rj_test_ws)
add_dependencies(test_gateway_link rejoin-gateway)
