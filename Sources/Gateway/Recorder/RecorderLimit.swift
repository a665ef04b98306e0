/// Whom a request of the Recorder's interface is about: `user` and `device`, or the headers `X-Limit-User` and
/// `X-Limit-Device`, which go before them.
import EventLoop
import Tracking
import WebServer

/// See the file's head. There is one user, `OwnTracksLocation.user`; its devices are the drivers.
struct RecorderLimit {
    /// As it was asked for; nil is all.
    let user: String?
    let device: String?

    init(_ request: WebRequest) {
        user = request.headers["x-limit-user"] ?? request.query("user")
        device = request.headers["x-limit-device"] ?? request.query("device")
    }

    /// Whether the user is ours, or none was named. The Recorder takes names in lower case.
    var namesOurUser: Bool { user.map { $0.lowercased() == OwnTracksLocation.user } ?? true }

    /// Whether a driver is meant.
    func allows(_ driver: DriverID) -> Bool {
        namesOurUser && (device.map { $0 == driver.string } ?? true)
    }

    /// Calls `then` with the drivers with a position that are meant, in the order of ids, once all of them are known here as
    /// they are.
    func drivers(_ gateway: Gateway, then: @escaping ([DriverIndex]) -> Void) {
        guard namesOurUser else { return then([]) }
        if let device {
            guard let id = DriverID(device) else { return then([]) }
            return gateway.directory.refresh([id]) {
                let pipeline = gateway.pipeline
                then([id].compactMap { pipeline.drivers.index(of: $0) }.filter { pipeline.hasPosition($0) })
            }
        }
        gateway.places.bringAll { then(Self.all(gateway.pipeline)) }
    }

    /// Every driver with a position of the last day, in the order of ids, whichever gateway is asked.
    private static func all(_ pipeline: Pipeline) -> [DriverIndex] {
        let oldest = SystemClock.wallMicroseconds() - DepartedDrivers.span
        let recent = (0..<pipeline.fanout.driverCount).filter {
            (pipeline.fanout.position(of: $0)?.recordedAt ?? .min) > oldest
        }
        return recent.map { (name: pipeline.drivers.id(of: $0).string, driver: $0) }
            .sorted { $0.name < $1.name }.map(\.driver)
    }
}

extension Pipeline {
    fileprivate func hasPosition(_ driver: DriverIndex) -> Bool { fanout.position(of: driver) != nil }
}
