/// Follows one order with one driver from stage to stage. Pure: positions and the time go in, the stage comes out, and
/// whoever asks writes it down. A stage that was reached stays reached, so a driver who wobbles around a radius, or an
/// estimate that does so around five minutes, says it once.

/// See the file's head.
public struct ArrivalTracker: Sendable, Equatable {
    /// How far it has come.
    public private(set) var stage: ArrivalStage
    /// The last estimate; nil before the first position.
    public private(set) var estimate: ArrivalEstimate?
    /// Where the driver was first seen with the order.
    private var start: Anchor?
    private var soon = Agreement()
    private var near = Agreement()
    private var there = Agreement()

    /// An order whose stage is known from before, perhaps from another process.
    public init(stage: ArrivalStage = .assigned) {
        self.stage = stage
    }

    /// The driver is at `position`. Returns the stage where it is a later one than before. What was skipped is skipped:
    /// an order that is first seen at its door is not said to depart.
    public mutating func move(
        to position: Position, destination: Destination?, pace: DriverPace, limits: ArrivalLimits, now: Microseconds
    ) -> ArrivalStage? {
        let before = stage
        if hasDeparted(position, limits) { stage = max(stage, .departed) }
        if let destination {
            let estimate = ArrivalEstimate(from: position, to: destination, pace: pace, now: now)
            self.estimate = estimate
            stage = max(stage, reached(by: estimate, position, limits, now: now))
        } else {
            estimate = nil
        }
        return stage > before ? stage : nil
    }

    /// It was found to be further: another process has seen it.
    public mutating func advance(to other: ArrivalStage) {
        stage = max(stage, other)
    }

    private mutating func hasDeparted(_ position: Position, _ limits: ArrivalLimits) -> Bool {
        guard stage == .assigned else { return false }
        guard let start else {
            self.start = position.anchor
            return false
        }
        let way = Distance.metres(start.latitude, start.longitude, position.latitude, position.longitude)
        // Both positions may be off, away from each other.
        return way - Double(start.accuracy) - Double(position.accuracy) > limits.departure
    }

    private mutating func reached(
        by estimate: ArrivalEstimate, _ position: Position, _ limits: ArrivalLimits, now: Microseconds
    ) -> ArrivalStage {
        let metres = estimate.straightMetres
        // A position that is less exact than a radius is wide needs a second one that agrees.
        let accuracy = Double(position.accuracy)
        let isThere = there.says(metres <= limits.arrivedRadius, isSure: accuracy <= limits.arrivedRadius)
        let isNear = near.says(metres <= limits.arrivingRadius, isSure: accuracy <= limits.arrivingRadius)
        let isSoon = soon.says(limits.soon > 0 && estimate.arrivesAt - now <= limits.soon, isSure: false)
        return isThere ? .arrived : isNear ? .arriving : isSoon ? .arrivingSoon : .assigned
    }
}

/// Counts how often in a row something was so.
private struct Agreement: Sendable, Equatable {
    private var inARow: UInt8 = 0

    /// Whether it is so: where this once is enough, or it was so the last time too.
    mutating func says(_ isSo: Bool, isSure: Bool) -> Bool {
        inARow = isSo ? min(inARow + 1, ArrivalLimits.confirmations) : 0
        return isSo && (isSure || inARow == ArrivalLimits.confirmations)
    }
}
