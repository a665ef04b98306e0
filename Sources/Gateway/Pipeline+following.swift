/// Positions that other gateways accepted: what is known here follows them, without being kept or published again.
import Tracking

extension Pipeline {
    /// A position from the bus. Returns whether it is newer than what was known.
    @discardableResult
    func follow(_ position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        recency.heard(driver)
        guard position.recordedAt > newest(of: driver)?.recordedAt ?? .min else { return false }
        recall(position.anchor, of: driver)
        guard isShown(position, of: driver, now: now),
            fanout.position(of: driver)?.recordedAt ?? .min < position.recordedAt
        else { return true }
        fanout.update(driver, position, now: now)
        return true
    }

    /// The same of the hash, which holds milliseconds. The very fix is remembered, and nothing from within its millisecond is
    /// taken for newer, so that a repetition of a finer one is not accepted again.
    @discardableResult
    func follow(hashed position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        recency.heard(driver)
        guard position.recordedAt > newest(of: driver)?.recordedAt ?? .min else { return false }
        recall(position.anchor, isLate: true, of: driver)
        var end = position
        end.recordedAt += 999
        return follow(end, of: driver, now: now)
    }
}
