/// Reads a driver's pings of a range of time page by page. Each page is one short statement that begins behind the last
/// row of the page before: between two of them Postgres holds nothing for the reader, however slow it is.
import EventLoop
import PostgresClient
import Tracking

/// A range that is being read. One page at a time; lives on the loop's thread.
final class TrackPages {
    /// What asking for a page comes to.
    typealias Answer = (Result<[TrackPoint], PostgresError>) -> Void

    /// Rows of a page: few enough to be read and written out within a millisecond of the loop, enough that Postgres' work
    /// for a statement is small beside that for its rows.
    static let rows = 500
    /// How often a page is asked for again, and how long after the first failure, doubled each time: six seconds in all.
    private static let retries = 5
    private static let firstDelay = 200
    private static let deadlineMilliseconds = 5_000
    /// How much of the range a statement looks at first: Postgres plans for every partition that it might read, which over
    /// a month takes ten times as long as to read a page. Where a window is not enough for a page the next is larger, so
    /// that few statements pass years without pings.
    private static let day: Microseconds = 86_400_000_000
    private static let growth: Microseconds = 8
    private static let longestWindow: Microseconds = 1 << 50

    private let loop: EventLoop
    private let past: PostgresQuestions
    private let sql: String
    private let driver: DriverID
    private let before: Microseconds
    private let precision: Int32
    /// The fix time of the last row that was read.
    private var after: Microseconds
    private var window = TrackPages.day
    private var timer: LoopTimer?
    /// Whether everything in the range was read.
    private(set) var isAtEnd = false

    /// The driver's pings from `range`'s beginning up to, without, its end, on a grid of `precision` metres. Nil where
    /// there is no Postgres to ask.
    init?(_ gateway: Gateway, of driver: DriverID, in range: Range<Microseconds>, precision: Int32) {
        guard let past = gateway.past else { return nil }
        loop = gateway.loop
        self.past = past
        self.driver = driver
        self.precision = precision
        after = range.lowerBound - 1
        before = range.upperBound
        sql = Self.statement(schema: gateway.configuration.historySchemaName)
    }

    /// The statement of a page. It walks along the primary key of the partitions that the range touches.
    static func statement(schema: String) -> String {
        """
        SELECT \(TrackPoint.columns) FROM \(quotedIdentifier(schema)).driver_location_events
        WHERE driver_id = $1 AND recorded_at > $2 AND recorded_at < $3 ORDER BY recorded_at LIMIT $4
        """
    }

    /// The next page, of at most `limit` rows, or what Postgres said. Where `isPatient`, failures that pass by themselves
    /// are waited for a while.
    func next(limit: Int = TrackPages.rows, isPatient: Bool, then: @escaping Answer) {
        ask(min(limit, Self.rows), retriesLeft: isPatient ? Self.retries : 0, delay: Self.firstDelay, then)
    }

    /// No answer is wanted any more. One that is under way still comes.
    func cancel() {
        timer?.close()
        timer = nil
    }

    private func ask(_ limit: Int, retriesLeft: Int, delay: Int, _ then: @escaping Answer) {
        let until = min(before, after + 1 + window)
        let parameters = [driver.string, Timestamp.fineString(after), Timestamp.fineString(until), String(limit)]
        let isAsked = past.ask(
            sql, parameters, binary: true, deadlineMilliseconds: Self.deadlineMilliseconds
        ) { [self] answer in
            switch answer {
            case .success(let rows):
                take(rows, limit, until) { result in
                    if case .success(let points) = result, points.isEmpty, !isAtEnd {
                        ask(limit, retriesLeft: retriesLeft, delay: delay, then)
                    } else {
                        then(result)
                    }
                }
            case .failure(let error): failed(error, limit, retriesLeft, delay, then)
            }
        }
        if !isAsked {
            failed(PostgresError(.transient, "too many wait for Postgres"), limit, retriesLeft, delay, then)
        }
    }

    private func failed(
        _ error: PostgresError, _ limit: Int, _ retriesLeft: Int, _ delay: Int, _ then: @escaping Answer
    ) {
        guard retriesLeft > 0, [.connection, .transient, .interrupted].contains(error.kind) else {
            return then(.failure(error))
        }
        timer?.close()
        timer = LoopTimer(loop: loop) { [self] in
            cancel()
            ask(limit, retriesLeft: retriesLeft - 1, delay: delay * 2, then)
        }
        timer?.start(afterMilliseconds: delay)
    }

    private func take(_ rows: PostgresRows, _ limit: Int, _ until: Microseconds, _ then: Answer) {
        var points: [TrackPoint] = []
        points.reserveCapacity(rows.count)
        for row in 0..<rows.count {
            guard let point = TrackPoint(rows, row) else {
                return then(.failure(PostgresError(.schema, "driver_location_events has other columns")))
            }
            after = point.recordedAt
            points.append(point.coarsened(to: precision))
        }
        if rows.count == limit {
            window = Self.day
        } else if until == before {
            isAtEnd = true
        } else {
            after = until - 1
            window = min(window * Self.growth, Self.longestWindow)
        }
        then(.success(points))
    }
}
