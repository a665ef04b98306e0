/// The intended times of a group's frames: an open loop that nothing the server does can slow down.

/// Walks over all frames of a group in the order of their times. Each driver has a life: it begins during the ramp and
/// ends during the drop; between them it is due once a period, at its own phase.
struct PingSchedule {
    private let plan: FleetPlan
    private let timeline: Timeline
    private let period: Int64
    /// The present frame's driver, counted within the group.
    private(set) var driver = -1
    /// How many frames of that driver came before, whether they lay in its life or not.
    private(set) var round = 0
    /// When the present frame is due, in nanoseconds; `Int64.max` behind the last.
    private(set) var due = Int64.min

    init(_ plan: FleetPlan, _ timeline: Timeline) {
        self.plan = plan
        self.timeline = timeline
        period = plan.period
        advance()
    }

    /// A schedule without a frame.
    static var empty: PingSchedule { PingSchedule(FleetPlan(), Timeline(start: 0, LoadProfile(warmUp: 0, steady: 0))) }

    /// Goes to the next frame.
    mutating func advance() {
        repeat {
            driver += 1
            if driver == plan.drivers {
                driver = 0
                round += 1
            }
            due = timeline.start + (Int64(round) * period + plan.phase(of: driver)) * 1_000
            guard due < timeline.end else {
                due = .max
                return
            }
        } while !isAlive
    }

    /// Whether the present frame lies in its driver's life.
    private var isAlive: Bool {
        if due >= timeline.start + timeline.ramp, due < timeline.window.upperBound { return true }
        let rank = plan.rank(of: driver)
        return due >= timeline.start + Int64(Double(timeline.ramp) * rank)
            && due < timeline.window.upperBound + Int64(Double(timeline.drop) * rank)
    }
}
