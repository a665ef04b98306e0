/// A driver's past on its way to a reader: pages of the history, reduced, encoded and streamed one after the other, each
/// asked for when the one before has left.
import EventLoop
import Logging
import PostgresClient
import Tracking
import WebServer

/// One export. Lives on the loop's thread; what is under way holds it.
final class HistoryDownload: BodySource {
    let credential: Credential
    private unowned let gateway: Gateway
    private let question: HistoryQuestion
    private let pages: TrackPages
    private var reduction: TrackReduction
    private var encoder: PastEncoder
    private var writer = JSONWriter()
    private var selected: [TrackPoint] = []
    /// Points that were written, and the last one's fix time.
    private var count = 0
    private var last: Microseconds?
    private var isComplete = false
    private var isEnded = false
    /// What the first page came to, before the reply's head was written.
    private var first: [UInt8]?
    private var stream: BodyStream?

    /// Nil where there is no Postgres to ask.
    init?(_ question: HistoryQuestion, _ encoder: PastEncoder, for credential: Credential, gateway: Gateway) {
        guard
            let pages = TrackPages(
                gateway, of: question.driver, in: question.range, precision: credential.precisionMetres)
        else { return nil }
        self.pages = pages
        self.question = question
        self.credential = credential
        self.gateway = gateway
        reduction = TrackReduction(
            silence: Int64(gateway.configuration.historyTrackGapSeconds) * 1_000_000, every: question.every,
            tolerance: question.tolerance, after: question.after)
        self.encoder = encoder
    }

    /// Reads the first page; `then` hears whether that worked. Only then is there a reply to begin.
    func prepare(then: @escaping (PostgresError?) -> Void) {
        encoder.begin(&writer)
        pages.next(limit: rowsWanted, isPatient: false) { [self] answer in
            switch answer {
            case .success(let points):
                take(points)
                first = writer.bytes
                then(nil)
            case .failure(let error): then(error)
            }
        }
    }

    /// Ends it at once, for its reader to see: its credential is no longer good.
    func end() {
        isEnded = true
        stream?.fail()
        over()
    }

    override func wanted(by stream: BodyStream) {
        self.stream = stream
        guard !isEnded else { return end() }
        if let first {
            self.first = nil
            return give(first, to: stream)
        }
        guard !credential.hasExpired(by: SystemClock.wallMicroseconds()) else { return end() }
        pages.next(limit: rowsWanted, isPatient: true) { [self] answer in
            guard stream.isOpen else { return }
            switch answer {
            case .success(let points):
                writer.removeAll()
                take(points)
                give(writer.bytes, to: stream)
            case .failure(let error):
                gateway.log.warning("an export ends early", metadata: ["reason": "\(error)", "points": "\(count)"])
                end()
            }
        }
    }

    override func cancelled() {
        over()
    }

    private func over() {
        stream = nil
        pages.cancel()
        gateway.downloads.remove(self)
    }

    private func give(_ bytes: [UInt8], to stream: BodyStream) {
        guard isComplete else { return stream.send(bytes) }
        stream.finish(bytes)
        over()
    }

    /// With a limit and nothing to leave out, no more rows than are needed, and one that tells whether there are more.
    private var rowsWanted: Int {
        guard let limit = question.limit, question.every == 0, question.tolerance == nil else { return TrackPages.rows }
        return limit - count + 1
    }

    /// Writes what the page adds to the export, and its end where that is reached.
    private func take(_ points: [TrackPoint]) {
        selected.removeAll(keepingCapacity: true)
        for point in points { reduction.add(point, to: &selected) }
        if pages.isAtEnd { reduction.finish(to: &selected) }
        for point in selected {
            guard count != question.limit else { return complete(next: last) }
            encoder.append(point, &writer)
            count += 1
            last = point.recordedAt
        }
        if pages.isAtEnd { complete(next: nil) }
    }

    private func complete(next: Microseconds?) {
        encoder.end(next: next, &writer)
        isComplete = true
    }
}
