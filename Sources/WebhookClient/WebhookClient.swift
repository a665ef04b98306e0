/// Posts to other systems by Debian's libcurl, several requests at a time, for a thread that may block.
///
/// No redirect is followed, since a body signed for one receiver is nobody else's business; of an answer only the first
/// bytes are read; no proxy, cookie or password file of the machine is used; certificates are verified by the system's
/// store, or by the file that `certificates` names.
import CCurl
import Synchronization

/// Owns a libcurl multi handle, ended by `deinit` (`curl_multi_cleanup`), which keeps connections open from one call to
/// the next. `post` belongs to one thread.
///
/// `@unchecked Sendable`: the handle is only used by that one thread, but for `curl_multi_wakeup`, which libcurl's manual
/// lets any thread call; the flag is atomic.
public final class WebhookClient: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer
    private let isCancelled = Atomic<Bool>(false)
    private let certificates: String?

    /// Called once a process before any other thread uses libcurl; its own lock makes repeating it harmless.
    private static let library: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    /// `certificates` is a file of trusted certificates in PEM; nil is the system's.
    public init(certificates: String? = nil) {
        precondition(Self.library == CURLE_OK, "libcurl cannot start: it is another version than it was built with")
        guard let handle = curl_multi_init() else { preconditionFailure("no memory for a libcurl handle") }
        self.handle = handle
        self.certificates = certificates
    }

    deinit {
        curl_multi_cleanup(handle)
    }

    /// Ends the call that is under way, and every later one. Any thread.
    public func cancel() {
        isCancelled.store(true, ordering: .releasing)
        curl_multi_wakeup(handle)
    }

    /// Posts all of them at once and returns when the last is answered or given up: outcomes in the requests' order.
    public func post(_ requests: [WebhookRequest]) -> [WebhookOutcome] {
        let transfers = requests.map { WebhookTransfer($0, certificates: certificates) }
        for transfer in transfers { curl_multi_add_handle(handle, transfer.handle) }
        var running = Int32(transfers.count)
        while running > 0, !isCancelled.load(ordering: .acquiring) {
            guard curl_multi_perform(handle, &running) == CURLM_OK else { break }
            takeResults(transfers)
            // Wakes for sockets, libcurl's own timeouts and `cancel`.
            if running > 0 { curl_multi_poll(handle, nil, 0, 1_000, nil) }
        }
        takeResults(transfers)
        for transfer in transfers { curl_multi_remove_handle(handle, transfer.handle) }
        return transfers.map(\.outcome)
    }

    private func takeResults(_ transfers: [WebhookTransfer]) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(handle, &left) {
            var result = CURLE_OK
            guard let ended = drover_curl_message(message, &result) else { continue }
            transfers.first { $0.handle == ended }?.end(result)
        }
    }
}
