/// What a supervisor asks all workers on behalf of one: `/metrics` and `/readyz` are answered for all of them by whoever
/// is asked.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class WorkerQuestions {
    /// How long a worker may take to answer, in milliseconds; what is known of the others is told then.
    private static let patience = 1_000

    /// What a worker is doing, as `drover_workers` has it.
    enum State: String, CaseIterable {
        case ready, starting, stopping, waiting, silent

        init(_ phase: WorkerPlan.Phase) {
            switch phase {
            case .waiting, .over: self = .waiting
            case .starting: self = .starting
            case .ready: self = .ready
            case .stopping: self = .stopping
            }
        }
    }

    /// What the supervisor itself knows.
    struct View {
        var states: [State]
        /// How often workers were started again.
        var restarts: Int
        /// Journals of workers that are no longer configured, and what is in their way.
        var leftovers: Int
        var leftoverError: String?
    }

    private struct Gathering {
        let asker: Int
        let number: UInt32
        let topic: WorkerMessage.Topic
        var missing: Set<Int>
        var answers: [Int: String] = [:]
        let timer: LoopTimer
    }

    private let loop: EventLoop
    private let send: (Int, WorkerMessage) -> Void
    private let look: () -> View
    private var gatherings: [UInt32: Gathering] = [:]
    private var lastNumber: UInt32 = 0
    /// The last page of each worker that runs.
    private var pages: [Int: String] = [:]
    /// What ended processes have counted, so that no sum goes back when one ends.
    private var departed = MergedMetrics()
    init(loop: EventLoop, send: @escaping (Int, WorkerMessage) -> Void, look: @escaping () -> View) {
        self.loop = loop
        self.send = send
        self.look = look
    }

    /// A worker was asked, and asks what to say.
    func ask(_ topic: WorkerMessage.Topic, for asker: Int, number: UInt32) {
        lastNumber = lastNumber == .max ? 1 : lastNumber + 1
        let own = lastNumber
        let states = look().states
        let asked = states.indices.filter { states[$0] == .ready }
        let timer = LoopTimer(loop: loop) { [unowned self] in finish(own) }
        timer.start(afterMilliseconds: Self.patience)
        gatherings[own] = Gathering(asker: asker, number: number, topic: topic, missing: Set(asked), timer: timer)
        for worker in asked { send(worker, .question(own, topic)) }
        if asked.isEmpty { finish(own) }
    }

    /// A worker's answer; number 0 is the last page of metrics of one that ends.
    func answered(_ number: UInt32, by worker: Int, _ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if number == 0 { pages[worker] = text }
        guard var gathering = gatherings[number], gathering.missing.remove(worker) != nil else { return }
        if gathering.topic == .metrics { pages[worker] = text }
        gathering.answers[worker] = text
        gatherings[number] = gathering
        if gathering.missing.isEmpty { finish(number) }
    }

    /// A worker's process is gone.
    func departed(_ worker: Int) {
        if let page = pages.removeValue(forKey: worker) { departed.add(page, countersOnly: true) }
        for (number, gathering) in gatherings where gathering.missing.contains(worker) {
            gatherings[number]?.missing.remove(worker)
            if gathering.missing.count == 1 { finish(number) }
        }
    }

    func close() {
        for gathering in gatherings.values { gathering.timer.close() }
        gatherings = [:]
    }

    private func finish(_ number: UInt32) {
        guard let gathering = gatherings.removeValue(forKey: number) else { return }
        gathering.timer.close()
        var view = look()
        for worker in gathering.missing where view.states[worker] == .ready { view.states[worker] = .silent }
        let text =
            switch gathering.topic {
            case .metrics: metrics(gathering.answers, view)
            case .readiness: readiness(gathering.answers, view)
            }
        send(gathering.asker, .answer(gathering.number, Array(text.utf8)))
    }

    private func metrics(_ answers: [Int: String], _ view: View) -> String {
        var merged = departed
        for worker in view.states.indices {
            if let answer = answers[worker] {
                merged.add(answer)
            } else if let page = pages[worker] {
                merged.add(page, countersOnly: true)
            }
        }
        merged.add(
            "drover_workers", "gauge", "Workers of this supervisor by what they are doing",
            State.allCases.map { state in ("state=\"\(state.rawValue)\"", view.states.count { $0 == state }) })
        merged.add(
            "drover_worker_restarts_total", "counter",
            "Workers that ended without being told to, and were started again", [("", view.restarts)])
        merged.add(
            "drover_leftover_journals", "gauge",
            "Journals of workers that are no longer configured, still to be written", [("", view.leftovers)])
        return merged.text
    }

    private func readiness(_ answers: [Int: String], _ view: View) -> String {
        let reports = view.states.indices.map { worker in answers[worker].map { Readiness(report: $0) } }
        var readiness = Readiness(ofWorkers: reports, states: view.states.map(\.rawValue))
        if let error = view.leftoverError { readiness.add("leftover_journals", error) }
        return readiness.report
    }
}
