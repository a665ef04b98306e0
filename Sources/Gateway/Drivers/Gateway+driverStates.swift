/// What follows from a driver's being put into service or out of it.
import Tracking

extension Gateway {
    /// A driver's state was changed in Postgres: what follows from it happens here now, and everywhere else by the bus.
    func driverStateChanged(_ driver: DriverID) {
        onDriverState?(driver)
        bus?.publish(.driverState(driver))
    }
}
