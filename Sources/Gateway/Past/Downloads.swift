/// The exports that are under way: so many at a time, and none longer than its credential is good.
import Tracking

/// See the file's head. Lives on the loop's thread.
final class Downloads {
    /// The most at a time. Each holds up to a page of some 100 KiB, and one that simplifies a window of points as large.
    static let limit = 64

    private var open: [ObjectIdentifier: HistoryDownload] = [:]

    /// How many are under way.
    var count: Int { open.count }

    /// False where there are too many.
    func add(_ download: HistoryDownload) -> Bool {
        guard open.count < Self.limit else { return false }
        open[ObjectIdentifier(download)] = download
        return true
    }

    /// It is over.
    func remove(_ download: HistoryDownload) {
        open[ObjectIdentifier(download)] = nil
    }

    /// Ends those of a credential that was revoked.
    func end(of credential: String) {
        for download in open.values where download.credential.id == credential { download.end() }
    }
}
