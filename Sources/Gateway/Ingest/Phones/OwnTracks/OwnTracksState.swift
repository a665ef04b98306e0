/// What the gateway remembers for phones with OwnTracks.
import EventLoop
import Tracking

/// See the file's head. Lives on the loop's thread.
final class OwnTracksState {
    let keys: OwnTracksKeys
    let friends: OwnTracksFriends
    /// Devices whose messages cannot be read, which the log was told of: once a minute is enough.
    private var complaints = RecentlySeen(seconds: 60, limit: 1_000)

    init(_ gateway: Gateway) {
        keys = OwnTracksKeys(DeviceStore(gateway))
        friends = OwnTracksFriends(gateway: gateway)
    }

    /// Whether the log has not heard of this device for a minute; it counts as told then.
    func mayComplain(of device: String) -> Bool {
        let now = SystemClock.monotonicMicroseconds()
        guard !complaints.contains(device, now: now) else { return false }
        complaints.insert(device, now: now)
        return true
    }
}
