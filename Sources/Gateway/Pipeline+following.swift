/// Positions that other gateways accepted: what is known here follows them, without being kept or published again.
import Tracking

extension Pipeline {
    /// A position from the bus. Returns whether it is newer than what was known.
    @discardableResult
    func follow(_ position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        recency.heard(driver)
        guard position.recordedAt > newest(of: driver)?.recordedAt ?? .min else { return false }
        follow(position.anchor, of: driver)
        show(followed: position, of: driver, now: now)
        return true
    }

    /// The same of the hash.
    @discardableResult
    func follow(hashed position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        recency.heard(driver)
        guard position.recordedAt > newest(of: driver)?.recordedAt ?? .min else { return false }
        show(followed: learn(hashed: position, of: driver), of: driver, now: now)
        return true
    }

    /// What the hash holds of a driver who is new to this process.
    func restore(hashed position: Position, of driver: DriverIndex) {
        recency.heard(driver)
        restore(learn(hashed: position, of: driver), of: driver)
    }

    /// The hash holds milliseconds: nothing from within its millisecond is taken for newer.
    private func learn(hashed position: Position, of driver: DriverIndex) -> Position {
        var end = position
        end.recordedAt += 999
        if !keepsHistory { remember(position.anchor, of: driver) }
        follow(end.anchor, of: driver)
        return end
    }

    private func show(followed position: Position, of driver: DriverIndex, now: Microseconds) {
        guard isShown(position, of: driver, now: now),
            fanout.position(of: driver)?.recordedAt ?? .min < position.recordedAt
        else { return }
        fanout.update(driver, position, now: now)
    }
}
