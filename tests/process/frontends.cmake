# The front ends over real sockets: the Engine.IO layer alone (engineio-echo), and Socket.IO in the real gateway with
# the real broker behind it.
add_library(rj_test_ws STATIC ../support/ws_client.c)
target_link_libraries(rj_test_ws PUBLIC rj_base)

add_executable(engineio-echo ../support/engineio_echo.c)
target_link_libraries(engineio-echo PRIVATE rj_gateway)
set_target_properties(engineio-echo PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

add_library(rj_test_engineio STATIC engineio_support.c)
target_link_libraries(rj_test_engineio PUBLIC rj_test_ws rj_test_process PkgConfig::CMOCKA)
foreach(noun door http pipelining frames limits polling websocket upgrade hostile)
    rj_unit_tests(test_engineio_${noun} process rj_test_engineio)
    add_dependencies(test_engineio_${noun} engineio-echo)
endforeach()
add_library(rj_test_frontend STATIC frontend_support.c)
target_link_libraries(rj_test_frontend PUBLIC rj_test_ws rj_test_peer PkgConfig::CMOCKA)
foreach(noun socketio http)
    rj_unit_tests(test_frontend_${noun} process rj_test_frontend)
    add_dependencies(test_frontend_${noun} rejoin-gateway rejoin-broker)
endforeach()

# Hostile clients, with a canary among the others.
add_library(rj_test_hostile STATIC hostile_support.c)
target_link_libraries(rj_test_hostile PUBLIC rj_test_ws rj_test_peer PkgConfig::CMOCKA Threads::Threads)
foreach(noun hostile_http hostile_packets hostile_frames limits)
    rj_unit_tests(test_gateway_${noun} process rj_test_hostile)
    add_dependencies(test_gateway_${noun} rejoin-gateway rejoin-broker)
endforeach()
