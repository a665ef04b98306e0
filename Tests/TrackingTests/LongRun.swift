// Random tests try a few thousand cases in the usual run and many more in `config/test --long`.
import Foundation

/// Whether there is time for more cases.
let isLongRun = ProcessInfo.processInfo.environment["DROVER_LONG_TESTS"] != nil
