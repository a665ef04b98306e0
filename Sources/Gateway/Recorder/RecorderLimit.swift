/// Whom a request of the Recorder's interface is about: `user` and `device`, or the headers `X-Limit-User` and
/// `X-Limit-Device`, which go before them.
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

    /// The drivers with a position that are meant, in the order of their numbers.
    func drivers(of pipeline: Pipeline) -> [DriverIndex] {
        guard namesOurUser else { return [] }
        guard let device else {
            return (0..<pipeline.fanout.driverCount).filter { pipeline.fanout.position(of: $0) != nil }
        }
        guard let driver = DriverID(device).flatMap({ pipeline.drivers.index(of: $0) }),
            pipeline.fanout.position(of: driver) != nil
        else { return [] }
        return [driver]
    }
}
