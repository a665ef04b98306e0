/// A statement of the platform that follows from its own rows: run when the tables that it names have changed, when changes
/// may have been missed, and every `every_s`. Every gateway runs it, so it must do nothing where nothing is left to do.
import EventLoop
import PostgresClient
import Tracking

/// Lives on the loop's thread.
final class ChangedWrite {
    /// The least time between two runs, in microseconds: a statement that changes the tables it follows calls itself.
    private static let rest: Microseconds = 1_000_000

    private let database: SystemDatabase
    private let every: Microseconds
    private var timer: LoopTimer?
    private var isRunning = false
    private var isDue = false
    private var ranAt: Microseconds = .min / 2
    private(set) var progress: WriteProgress

    init(_ loop: EventLoop, _ database: SystemDatabase, _ configuration: SystemWrite) {
        self.database = database
        every = Microseconds(configuration.everySeconds) * 1_000_000
        progress = WriteProgress(configuration.statement)
        timer = LoopTimer(loop: loop) { [unowned self] in run() }
        database.onChange(of: configuration.statement) { [weak self] in
            self?.isDue = true
            self?.schedule()
        }
        schedule()
    }

    func close() {
        timer?.close()
        timer = nil
    }

    private func schedule() {
        guard !isRunning, let timer else { return }
        let wait = ranAt + (isDue ? Self.rest : every) - SystemClock.monotonicMicroseconds()
        timer.start(afterMilliseconds: Int(max(0, min(wait, every)) + 999) / 1_000)
    }

    private func run() {
        isRunning = true
        isDue = false
        ranAt = SystemClock.monotonicMicroseconds()
        database.run(progress.statement, [:]) { [weak self] answer in
            guard let self else { return }
            isRunning = false
            switch answer {
            case .success(let rows): progress.succeeded(rows: rows.affected)
            case .failure(let error): progress.failed(error)
            }
            schedule()
        }
    }
}
