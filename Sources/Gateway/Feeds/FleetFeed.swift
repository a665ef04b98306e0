/// `GET /fleet.geojson`: every driver's newest position as a GeoJSON FeatureCollection, which maps and spreadsheets read
/// from an address.
import Tracking
import WebServer

/// The route.
struct FleetFeed {
    private let call: RouteCall
    private let credential: Credential

    init(_ call: RouteCall, _ credential: Credential) {
        (self.call, self.credential) = (call, credential)
    }

    /// GET.
    func answer() {
        FleetSnapshot.take(call, credential) { fleet in
            let limits = call.gateway.configuration.presenceLimits
            var writer = JSONWriter()
            // Nothing that moves with the clock alone, so that an unchanged fleet has an unchanged tag.
            writer.raw("{\"type\":\"FeatureCollection\",\"features\":[")
            for (index, driver) in fleet.drivers.enumerated() {
                writer.raw(index == 0 ? "\n" : ",\n")
                GeoJSONPositions.append(
                    driver.id, driver.position, distance: nil,
                    state: limits.presence(age: fleet.now - driver.position.recordedAt), to: &writer)
            }
            writer.raw("\n]}\n")
            FeedReply(
                type: GeoJSONPositions.mediaType, body: writer.bytes,
                changedAt: fleet.lastChange(ages: [limits.stale, limits.offline])
            ).send(call, now: fleet.now)
        }
    }
}
