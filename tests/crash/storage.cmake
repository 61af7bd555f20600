# 40 cycles a test here; store_kill --cycles N runs any number.
rj_unit_tests(store_kill crash rj_storage PkgConfig::LMDB)
foreach(moment random_moments fault_points)
    set_tests_properties(crash.store_kill.nothing_acknowledged_is_lost_by_kills_at_${moment} PROPERTIES TIMEOUT 300)
endforeach()
