/// Which drivers have something new since the last tick.
import Tracking

/// A set of drivers that is filled a ping at a time and emptied a tick at a time.
struct ChangedDrivers {
    private var list: [DriverIndex] = []
    private var isListed: [Bool] = []

    var isEmpty: Bool { list.isEmpty }
    var count: Int { list.count }

    @inline(__always)
    mutating func insert(_ driver: DriverIndex) {
        while isListed.count <= driver { isListed.append(false) }
        guard !isListed[driver] else { return }
        isListed[driver] = true
        list.append(driver)
    }

    mutating func drain(_ body: (DriverIndex) -> Void) {
        for driver in list {
            isListed[driver] = false
            body(driver)
        }
        list.removeAll(keepingCapacity: true)
    }

    mutating func removeAll() {
        drain { _ in }
    }
}
