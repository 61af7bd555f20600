# The real gateway between raw WebSocket clients and a broker that the test plays.
add_library(rj_test_fake_broker STATIC ../support/fake_broker.c)
target_link_libraries(rj_test_fake_broker PUBLIC rj_test_process rj_proto PRIVATE PkgConfig::ZMQ)
add_library(rj_test_gateway STATIC gateway_support.c)
target_link_libraries(rj_test_gateway PUBLIC rj_test_fake_broker rj_test_ws PkgConfig::CMOCKA)

foreach(name test_gateway_link test_gateway_connect test_gateway_events test_gateway_targets test_gateway_asks
             test_gateway_ends test_gateway_probe test_gateway_optimistic)
    rj_unit_tests(${name} process rj_test_gateway)
    add_dependencies(${name} rejoin-gateway)
endforeach()
