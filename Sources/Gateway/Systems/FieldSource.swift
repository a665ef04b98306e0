/// Where the values of a layout's fields come from: a driver, a position, an order's event. What is nil is unknown.
import Tracking

/// What one row or webhook is about.
struct FieldSource {
    var driver: DriverID?
    var position: Position?
    /// The platform's ids.
    var order: String?
    var user: String?
    var event: Event?
    var arrival: Arrival?
    /// What ages are counted to, in wall microseconds.
    var now: Microseconds

    /// Something that happened to an order.
    struct Event {
        /// The same at every attempt to deliver it.
        var id: String
        /// In Drover's word, such as `arrived`.
        var type: String
        /// In the platform's word.
        var status: String
        var at: Microseconds
        var notes: String?
    }

    /// An estimate of arrival.
    struct Arrival {
        var at: Microseconds
        /// `high`, `medium` or `low`.
        var confidence: String
        /// As the crow flies.
        var distanceMetres: Double
    }

    init(
        driver: DriverID? = nil, position: Position? = nil, order: String? = nil, user: String? = nil,
        event: Event? = nil, arrival: Arrival? = nil, now: Microseconds
    ) {
        self.driver = driver
        self.position = position
        self.order = order
        self.user = user
        self.event = event
        self.arrival = arrival
        self.now = now
    }
}
