/// The newest positions of drivers that moved, into a platform's own table, at a rate that the platform chooses.
import EventLoop
import Tracking

/// Every `every_s` one statement with the rows of all drivers that moved since, a thousand at most; where they are more,
/// one statement after the other. A driver that moves again before its row was written is written once, as it is then.
/// Lives on the loop's thread.
final class PositionWrite {
    /// A row where the configuration says nothing.
    static let nativeRow = "driver_id=driver, lat, lng, accuracy, speed, heading, recorded_at=recorded_at:iso"

    private let pipeline: Pipeline
    private let write: RowWrite<DriverIndex>
    private var timer: LoopTimer?

    init(_ loop: EventLoop, _ database: SystemDatabase, _ configuration: SystemWrite, _ pipeline: Pipeline) {
        self.pipeline = pipeline
        let layout = configuration.layout(orElse: Self.nativeRow)
        write = RowWrite(database, configuration.statement) { [unowned pipeline] driver, writer in
            // Gone meanwhile: erased, or off shift.
            guard let position = pipeline.fanout.position(of: driver) else { return false }
            let source = FieldSource(
                driver: pipeline.drivers.id(of: driver), position: position, now: SystemClock.wallMicroseconds())
            layout.append(source, to: &writer)
            return true
        }
        write.putBack = { [unowned pipeline] drivers in
            for driver in drivers { pipeline.moved?.insert(driver) }
        }
        pipeline.moved = ChangedDrivers()
        timer = LoopTimer(loop: loop) { [unowned self] in begin() }
        timer?.start(
            afterMilliseconds: configuration.everySeconds * 1_000, everyMilliseconds: configuration.everySeconds * 1_000
        )
    }

    var progress: WriteProgress { write.progress }

    func close() {
        timer?.close()
        timer = nil
    }

    private func begin() {
        guard !write.isBusy else { return }
        var drivers: [DriverIndex] = []
        pipeline.moved?.drain { drivers.append($0) }
        write.write(drivers)
    }

    /// Writes what is left, once.
    func finish(then: @escaping () -> Void) {
        close()
        write.whenIdle { [self] in
            begin()
            write.whenIdle(then)
        }
    }
}

extension SystemWrite {
    /// What a row holds.
    func layout(orElse native: String) -> FieldLayout {
        do {
            return try FieldLayout(row.isEmpty ? native : row, for: .row)
        } catch {
            preconditionFailure("the loader lets no such layout pass: \(error)")
        }
    }
}
