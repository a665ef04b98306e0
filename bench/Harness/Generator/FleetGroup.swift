/// A group of drivers that do the same: its schedule, and the bytes of its frames.

final class FleetGroup {
    let plan: FleetPlan
    let firstDriver: Int
    let firstSocket: Int
    var schedule = PingSchedule.empty
    /// When the group began to catch up, in nanoseconds.
    var flushBegan: Int64 = 0
    private var template: PingTemplate
    private var backlogTemplate: PingTemplate?

    init(_ plan: FleetPlan, firstDriver: Int, firstSocket: Int, _ dialect: any Dialect) {
        self.plan = plan
        self.firstDriver = firstDriver
        self.firstSocket = firstSocket
        template = dialect.template(pingsPerFrame: plan.pingsPerFrame)
        backlogTemplate = plan.backlog.map { dialect.template(pingsPerFrame: $0.pingsPerFrame) }
    }

    /// Calls `body` with the frame's bytes. `number` counts the frames of its connection.
    func withFrame<Result>(
        _ frame: OutgoingFrame, number: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        if frame.isBacklog, backlogTemplate != nil {
            fillBacklog(frame, number)
            return backlogTemplate.unsafelyUnwrapped.bytes.withUnsafeBytes(body)
        }
        let driver = firstDriver + Int(frame.driver)
        let milliseconds = frame.due / 1_000_000
        let spacing = plan.period / 1_000 / Int64(plan.pingsPerFrame)
        template.set(driver: driver, frame: number)
        for index in 0..<plan.pingsPerFrame {
            let back = Int64(plan.pingsPerFrame - 1 - index) * spacing
            template.set(
                index, driver: driver, milliseconds: milliseconds - back,
                step: Int(frame.round) * plan.pingsPerFrame + index)
        }
        return template.bytes.withUnsafeBytes(body)
    }

    /// One ping a second, up to a second before the flush began.
    private func fillBacklog(_ frame: OutgoingFrame, _ number: Int) {
        guard let backlog = plan.backlog else { return }
        let driver = firstDriver + Int(frame.driver)
        let seconds = backlog.frames * backlog.pingsPerFrame
        let first = flushBegan / 1_000_000 - Int64(seconds) * 1_000
        backlogTemplate?.set(driver: driver, frame: number)
        for index in 0..<backlog.pingsPerFrame {
            let step = Int(frame.round) * backlog.pingsPerFrame + index
            backlogTemplate?.set(index, driver: driver, milliseconds: first + Int64(step) * 1_000, step: step)
        }
    }
}
