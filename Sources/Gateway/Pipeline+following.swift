/// Positions that other gateways accepted: what is known here follows them, without being kept or published again.
import Tracking

extension Pipeline {
    /// What others tell is no proof that it was kept: a gateway may die between telling and keeping, and its device then
    /// sends the ping again, to this one perhaps. So it moves the newest position without being remembered as a ping that is
    /// known: its repetition is late, which is kept where it is not there yet, and never a duplicate, which is not. The anchor
    /// lies a microsecond behind the fix for that.
    private static let behind: Microseconds = 1

    /// A position from the bus. Returns whether it is newer than what was known.
    @discardableResult
    func follow(_ position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        recency.heard(driver)
        guard position.recordedAt > newest(of: driver)?.recordedAt ?? .min else { return false }
        return follow(position, of: driver, anchorBehind: keepsHistory ? Self.behind : 0, now: now)
    }

    private func follow(
        _ position: Position, of driver: DriverIndex, anchorBehind: Microseconds, now: Microseconds
    ) -> Bool {
        var anchor = position.anchor
        anchor.recordedAt += anchorBehind
        recall(anchor, of: driver)
        guard isShown(position, of: driver, now: now),
            fanout.position(of: driver)?.recordedAt ?? .min < position.recordedAt
        else { return true }
        fanout.update(driver, position, now: now)
        return true
    }

    /// The same of the hash, which holds milliseconds: nothing from within its millisecond is taken for newer.
    @discardableResult
    func follow(hashed position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        recency.heard(driver)
        guard position.recordedAt > newest(of: driver)?.recordedAt ?? .min else { return false }
        if !keepsHistory { recall(position.anchor, isLate: true, of: driver) }
        var end = position
        end.recordedAt += 999
        return follow(end, of: driver, anchorBehind: 0, now: now)
    }
}
