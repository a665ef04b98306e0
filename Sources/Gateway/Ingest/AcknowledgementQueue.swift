/// Who waits for which journal record: nothing is acknowledged before it is durable.
///
/// Entries stand in the order of arrival, and LSNs only grow, so releasing is taking from the front. A frame without a
/// kept ping waits for what came before it, since its acknowledgement speaks for that too.
import Tracking
import WebServer

/// The queue. Lives on the loop's thread.
final class AcknowledgementQueue {
    private struct Entry {
        var lsn: UInt64
        /// The connection's number, and its serial in case the number has been given to another since.
        var connection: Int32
        var isRequest: Bool
        var serial: UInt64
        var sequence: Int64
        var receivedAt: Microseconds
    }

    /// More waiting frames than this are refused: overload, to be sent again.
    private static let maximumEntries = 1 << 20

    private var entries: [Entry] = []
    private var head = 0
    /// Connections whose acknowledgement moved in this release.
    private var due: [Int32] = []
    /// Receipt to acknowledgement, by frame or request.
    private(set) var latency = LatencyHistogram()

    /// Whether another frame may wait.
    var hasRoom: Bool { entries.count - head < Self.maximumEntries }

    /// How many frames and requests wait.
    var count: Int { entries.count - head }

    /// A frame was judged; all it keeps is at or below `lsn`.
    @inline(__always)
    func wait(for lsn: UInt64, frameOf ingest: IngestSocket, sequence: Int64, receivedAt: Microseconds) {
        entries.append(
            Entry(
                lsn: lsn, connection: Int32(ingest.connection.number), isRequest: false, serial: ingest.serial,
                sequence: sequence,
                receivedAt: receivedAt))
    }

    /// A request was judged; its reply is ready and waits.
    func wait(for lsn: UInt64, reply: PendingReply, on connection: WebConnection, receivedAt: Microseconds) {
        connection.attachment = reply
        entries.append(
            Entry(
                lsn: lsn, connection: Int32(connection.number), isRequest: true, serial: reply.serial, sequence: 0,
                receivedAt: receivedAt))
    }

    /// Everything up to `lsn` is durable: acknowledges what waited for it.
    func release(through lsn: UInt64, server: WebServer, now: () -> Microseconds) {
        guard head < entries.count, entries[head].lsn <= lsn else { return }
        let now = now()
        while head < entries.count, entries[head].lsn <= lsn {
            let entry = entries[head]
            head += 1
            latency.record(now - entry.receivedAt)
            server.withConnection(Int(entry.connection)) { connection in
                if entry.isRequest {
                    answer(entry, connection)
                } else if let session = connection.session, session.serial == entry.serial {
                    // Serials are unique and frames come from ingest sessions only, so this is one.
                    let ingest = unsafeDowncast(session, to: IngestSocket.self)
                    if ingest.raise(to: entry.sequence) { due.append(entry.connection) }
                }
            }
        }
        for number in due {
            server.withConnection(Int(number)) { connection in
                if let session = connection.session {
                    unsafeDowncast(session, to: IngestSocket.self).acknowledge(through: lsn)
                }
            }
        }
        due.removeAll(keepingCapacity: true)
        compact()
    }

    private func answer(_ entry: Entry, _ connection: WebConnection) {
        guard let reply = connection.attachment as? PendingReply, reply.serial == entry.serial else { return }
        connection.attachment = nil
        connection.respond(reply.response)
    }

    /// Drops what was released, once that is most of the array.
    private func compact() {
        if head == entries.count {
            entries.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 4_096, head * 2 > entries.count {
            entries.removeSubrange(0..<head)
            head = 0
        }
    }
}

/// A request's reply that waits for the journal.
final class PendingReply {
    let serial: UInt64
    let response: WebResponse

    init(serial: UInt64, response: WebResponse) {
        self.serial = serial
        self.response = response
    }
}
