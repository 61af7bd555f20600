# What writes to a store and what checks it.
add_library(rj_crash_store STATIC store_checker.c store_journal.c store_writer.c)
target_link_libraries(rj_crash_store PUBLIC rj_storage rj_flags PRIVATE PkgConfig::LMDB)

# The disk below a store; it takes the program's own calls over.
add_library(rj_crash_disk STATIC power_disk.c power_image.c)
target_link_libraries(rj_crash_disk PUBLIC rj_base rj_flags PRIVATE PkgConfig::LMDB ${CMAKE_DL_LIBS})
# The sanitizers' runtimes call open and mmap, too, before they can be called themselves.
set_source_files_properties(power_disk.c PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)

# 100 cycles a test here; store_kill --cycles N runs any number.
rj_unit_tests(store_kill crash rj_crash_store rj_storage PkgConfig::LMDB)
foreach(moment random_moments fault_points)
    set_tests_properties(crash.store_kill.nothing_acknowledged_is_lost_by_kills_at_${moment} PROPERTIES TIMEOUT 300)
endforeach()

# store_power --images N makes any number.
rj_unit_tests(store_power crash rj_crash_store rj_crash_disk rj_storage PkgConfig::LMDB)
set_tests_properties(crash.store_power.nothing_acknowledged_is_lost_by_a_power_failure PROPERTIES TIMEOUT 300)
