/// One POST on its way: its libcurl handle, and what the handle points to.
import CCurl

/// Owns a libcurl easy handle, ended by `deinit` (`curl_easy_cleanup`), with the memory that it refers to.
final class WebhookTransfer {
    /// How much of an answer is read; a receiver says why it refuses in the first line.
    private static let maximumAnswer = 512

    let handle: UnsafeMutableRawPointer
    private(set) var outcome = WebhookOutcome.cancelled
    private var headers: UnsafeMutablePointer<curl_slist>?
    private let body: UnsafeMutableBufferPointer<UInt8>
    private let reason: UnsafeMutableBufferPointer<CChar>
    private var answer: [UInt8] = []

    init(_ request: WebhookRequest, certificates: String?) {
        guard let handle = curl_easy_init() else { preconditionFailure("no memory for a libcurl handle") }
        self.handle = handle
        body = .allocate(capacity: max(1, request.body.count))
        _ = body.initialize(from: request.body)
        reason = .allocate(capacity: Int(CURL_ERROR_SIZE))
        reason.initialize(repeating: 0)
        set(CURLOPT_URL, request.url)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_POST, 1)
        set(CURLOPT_POSTFIELDSIZE, request.body.count)
        drover_curl_set_pointer(handle, CURLOPT_POSTFIELDS, body.baseAddress)
        // `Expect` would cost a round trip for nothing.
        for (name, value) in request.headers + [("Expect", "")] {
            headers = curl_slist_append(headers, value.isEmpty ? "\(name):" : "\(name): \(value)")
        }
        drover_curl_set_pointer(handle, CURLOPT_HTTPHEADER, headers)
        set(CURLOPT_USERAGENT, "drover")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_TIMEOUT_MS, request.timeoutMilliseconds)
        set(CURLOPT_CONNECTTIMEOUT_MS, request.timeoutMilliseconds)
        // Name resolution must not use signals in a process with threads.
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROXY, "")
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        if let certificates { set(CURLOPT_CAINFO, certificates) }
        drover_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, reason.baseAddress)
        // Unretained: libcurl calls back only within `WebhookClient.post`, which holds this object.
        drover_curl_set_pointer(handle, CURLOPT_WRITEDATA, Unmanaged.passUnretained(self).toOpaque())
        drover_curl_set_writer(handle) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let transfer = Unmanaged<WebhookTransfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.take(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
        body.deallocate()
        reason.deallocate()
    }

    private func set(_ option: CURLoption, _ value: String) {
        // libcurl copies texts.
        drover_curl_set_text(handle, option, value)
    }

    private func set(_ option: CURLoption, _ value: Int) {
        drover_curl_set_number(handle, option, value)
    }

    /// A piece of the answer; fewer bytes than were given end the transfer.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        answer.append(contentsOf: bytes.prefix(Self.maximumAnswer - answer.count))
        return answer.count < Self.maximumAnswer ? bytes.count : 0
    }

    /// The transfer has ended.
    func end(_ result: CURLcode) {
        let status = drover_curl_status(handle)
        // A long answer was cut off by us, after its status.
        let isCutOff = result == CURLE_WRITE_ERROR && answer.count == Self.maximumAnswer
        guard result == CURLE_OK || isCutOff else {
            let words = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            outcome = .unreachable(words.isEmpty ? String(cString: curl_easy_strerror(result)) : words)
            return
        }
        if (200..<300).contains(status) {
            outcome = .taken
        } else {
            let text = String(decoding: answer.prefix(200), as: UTF8.self)
            outcome = .refused(
                status: status,
                text: text.split(whereSeparator: \.isNewline).joined(separator: " ").filter { !$0.isNewline })
        }
    }
}
