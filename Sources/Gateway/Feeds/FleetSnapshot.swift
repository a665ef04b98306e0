/// The newest positions of all drivers whom a credential may see, at one moment: what every feed is written from.
import EventLoop
import Tracking
import WebServer

/// See the file's head.
struct FleetSnapshot {
    /// A driver with a position, on the credential's grid.
    struct Driver {
        let id: DriverID
        let position: Position
    }

    /// When it was taken, in wall microseconds.
    let now: Microseconds
    let drivers: [Driver]

    /// Takes it; `then` is not called where Postgres would have to be asked and cannot be: that is answered here.
    static func take(
        _ call: RouteCall, _ credential: Credential, then: @escaping (FleetSnapshot) -> Void
    ) {
        call.gateway.places.bringAll {
            let pipeline = call.gateway.pipeline
            let oldest = SystemClock.wallMicroseconds() - DepartedDrivers.span
            let all = (0..<pipeline.fanout.driverCount).filter {
                (pipeline.fanout.position(of: $0)?.recordedAt ?? .min) > oldest
            }
            VisibleDrivers(gateway: call.gateway).among(all, for: credential) { visible in
                guard let visible else {
                    return call.respond(Problem.unavailable("Postgres cannot be asked who is meant; try again"))
                }
                // By id: two gateways know their drivers in different orders, and the tag is the same.
                var named: [(name: String, driver: Driver)] = []
                for driver in visible {
                    guard let position = pipeline.fanout.position(of: driver) else { continue }
                    let id = pipeline.drivers.id(of: driver)
                    let shown = position.asStored.coarsened(to: credential.precisionMetres)
                    named.append((id.string, Driver(id: id, position: shown)))
                }
                let drivers = named.sorted { $0.name < $1.name }.map(\.driver)
                then(FleetSnapshot(now: SystemClock.wallMicroseconds(), drivers: drivers))
            }
        }
    }

    /// When the snapshot last changed by itself: the newest receipt, or the last time that a position passed one of
    /// these ages, in microseconds. That a driver was erased, or came into the credential's scope, has no such time; the
    /// entity tag tells it.
    func lastChange(ages: [Microseconds]) -> Microseconds {
        var last: Microseconds = 0
        for driver in drivers {
            last = max(last, driver.position.receivedAt)
            for age in ages where driver.position.recordedAt + age <= now {
                last = max(last, driver.position.recordedAt + age)
            }
        }
        return last
    }
}

extension Position {
    /// As a hash in Redis has it, which is what the other gateways know: times in milliseconds, the rest in thousandths.
    fileprivate var asStored: Position {
        func thousandths(_ value: Float) -> Float { Float((Double(value) * 1_000).rounded() / 1_000) }
        var position = self
        position.recordedAt = recordedAt / 1_000 * 1_000
        position.accuracy = thousandths(accuracy)
        position.speed = speed.map(thousandths)
        position.heading = heading.map(thousandths)
        return position
    }
}

/// A feed's answer.
struct FeedReply {
    let type: String
    let body: [UInt8]
    /// What the tag is made of, where that is not the body: what is the same for as long as nothing has changed.
    var tag: String?
    /// When it last changed, in wall microseconds.
    let changedAt: Microseconds

    /// Answers 304 where the reader has it already. Nobody but the reader may keep it, and only to ask again.
    func send(_ call: RouteCall, now: Microseconds) {
        let tag = tag ?? EntityTag.of(body)
        let modified = ModificationTime(changedAt, now: now)
        let headers = [
            ("ETag", tag), ("Last-Modified", modified.header), ("Cache-Control", "private, no-cache"),
        ]
        if EntityTag.isKnown(tag, to: call.request) || modified.isKnown(to: call.request) {
            return call.respond(WebResponse(status: 304, headers: headers))
        }
        call.respond(WebResponse(type: type, body: body, headers: headers))
    }
}
