/// A newest position as a vehicle's status in the Mobility Data Specification 2.0.2 (data-types.md, "Vehicle Status"),
/// which cities and their tools read.

/// Writes vehicle statuses.
public enum VehicleStatus {
    /// The version that is written.
    public static let version = "2.0.2"

    /// The UUIDs of one status, as texts.
    public struct Identity: Sendable {
        let provider: String
        let device: String
        let event: String
        let telemetry: String

        /// Each is a UUID; `event` and `telemetry` are other ones for every fix of a device.
        public init(provider: String, device: String, event: String, telemetry: String) {
            self.provider = provider
            self.device = device
            self.event = event
            self.telemetry = telemetry
        }
    }

    /// Appends the status of a vehicle. Its state is what Drover knows: `available`, or `non_contactable` from the
    /// moment `lostAt` (microseconds) on; whether it is on a trip is the provider's own knowledge.
    public static func append(
        _ identity: Identity, _ position: Position, lostAt: Microseconds?, to writer: inout JSONWriter
    ) {
        writer.raw("{")
        appendIDs(identity, &writer)
        writer.raw(",\"last_event\":{")
        appendIDs(identity, &writer)
        writer.raw(",\"event_id\":\"\(identity.event)\",\"vehicle_state\":\"")
        // Why it became available is not known here, which is what `unspecified` says.
        writer.raw(
            lostAt == nil
                ? "available\",\"event_types\":[\"unspecified\"]" : "non_contactable\",\"event_types\":[\"comms_lost\"]"
        )
        writer.raw(",\"timestamp\":")
        writer.integer(Timestamp.floorDivide(lostAt ?? position.recordedAt, 1_000))
        appendLocation(position, &writer)
        writer.raw("},\"last_telemetry\":{")
        appendIDs(identity, &writer)
        // Of trips nothing is known here: null is what the specification asks for outside of one.
        writer.raw(",\"telemetry_id\":\"\(identity.telemetry)\",\"trip_ids\":null,\"journey_id\":null,\"timestamp\":")
        writer.integer(Timestamp.floorDivide(position.recordedAt, 1_000))
        appendLocation(position, &writer)
        writer.raw("}}")
    }

    private static func appendIDs(_ identity: Identity, _ writer: inout JSONWriter) {
        writer.raw("\"device_id\":\"\(identity.device)\",\"provider_id\":\"\(identity.provider)\"")
    }

    /// `location` is a GPS object, which has `lng`, not `lon`.
    private static func appendLocation(_ position: Position, _ writer: inout JSONWriter) {
        writer.raw(",\"location\":{\"lat\":")
        writer.degrees(position.latitude)
        writer.raw(",\"lng\":")
        writer.degrees(position.longitude)
        if let heading = position.heading {
            writer.raw(",\"heading\":")
            writer.thousandths(heading >= 359.9995 ? 0 : heading)
        }
        if let speed = position.speed {
            writer.raw(",\"speed\":")
            writer.thousandths(speed)
        }
        writer.raw(",\"horizontal_accuracy\":")
        writer.thousandths(position.accuracy)
        writer.raw("}")
    }
}
