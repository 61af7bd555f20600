# Reading by the reader threads, whose floors have risen, which publishes are known, and rooms that are forgotten. They look behind the store's back, too.
foreach(test test_store_dedupe test_store_forget test_store_raised test_store_reads)
    rj_unit_tests(${test} unit rj_storage PkgConfig::LMDB)
endforeach()
