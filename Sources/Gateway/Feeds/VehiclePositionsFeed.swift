/// `GET /gtfs-rt/vehicle-positions.pb`: a GTFS-realtime feed, which transit tools poll.
import Tracking
import WebServer

/// The route.
struct VehiclePositionsFeed {
    private let call: RouteCall
    private let credential: Credential

    init(_ call: RouteCall, _ credential: Credential) {
        (self.call, self.credential) = (call, credential)
    }

    /// GET. Protocol buffers whatever `Accept` says, as the format's best practices ask.
    func answer() {
        FleetSnapshot.take(call, credential) { fleet in
            var feed = GTFSRealtimeFeed(now: fleet.now)
            // The header's time is the clock's, also where nothing moved, and is left out of the tag: the tag is weak.
            let head = feed.bytes.count
            for driver in fleet.drivers where fleet.now - driver.position.recordedAt <= GTFSRealtimeFeed.maximumAge {
                feed.append(driver.id, driver.position)
            }
            let body = feed.bytes
            FeedReply(
                type: GTFSRealtimeFeed.mediaType, body: body, tag: "W/" + EntityTag.of(Array(body[head...])),
                changedAt: fleet.lastChange(ages: [GTFSRealtimeFeed.maximumAge])
            ).send(call, now: fleet.now)
        }
    }
}
