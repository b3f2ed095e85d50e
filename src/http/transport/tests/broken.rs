//! Answers that break off, hang or are too long.
//!
//! Owns what counts as a broken connection, a time-out and a body over the limit, and what is kept of an answer that
//! arrived in part. Invariant: after a request may have been read, no failure counts as one to connect.

use rstest::rstest;

use super::*;

/// Once a request may have been read, no failure may count as one to connect.
#[rstest]
#[case::closes_without_an_answer("")]
#[case::garbage("\x16\x03\x01 this is not HTTP\r\n\r\n")]
#[case::half_a_head("HTTP/1.1 200 OK\r\nContent-Le")]
#[case::half_a_body("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"job_id\":")]
#[case::half_a_chunk("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nabc")]
#[case::bad_chunk("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")]
#[case::other_protocol("SSH-2.0-OpenSSH_9.2\r\n")]
#[tokio::test]
async fn a_broken_answer_is_a_broken_connection(#[case] answer: &str) {
    let address = answering(answer).await;
    for connection in [Connection::Fresh, Connection::Pooled] {
        let failure = transport(1)
            .send(get(address, connection))
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Broken { .. }), "{failure:?}");
        message_of(&failure);
    }
}

#[rstest]
#[case::content_length_too_large(
    "HTTP/1.1 200 OK\r\nX-Request-Id: r\r\nContent-Length: 100\r\n\r\n{\"job_id\":\"7\"}"
)]
#[case::last_chunk_missing(
    "HTTP/1.1 200 OK\r\nX-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{\"job_id\":\"7\"}\r\n"
)]
#[tokio::test]
async fn what_arrived_of_a_broken_answer_is_kept(#[case] answer: &str) {
    let address = answering(answer).await;
    let request = get(address, Connection::Fresh);
    let Exchange { result, part } = transport(1).exchange(request).await;
    assert!(matches!(result, Err(Failure::Broken { .. })), "{result:?}");
    let part = part.unwrap();
    assert_eq!(
        (part.status, &part.body[..]),
        (200, &b"{\"job_id\":\"7\"}"[..])
    );
    assert_eq!(part.header("x-request-id"), Some("r"));
}

#[tokio::test]
async fn what_arrived_before_a_time_out_is_kept() {
    let (address, _) = server(|mut stream| async move {
        request_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"job_id\":\"7\"}";
        let _ = stream.write_all(head.as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let request = get(address, Connection::Fresh);
    let Exchange { result, part } = transport(300).exchange(request).await;
    assert!(
        matches!(result, Err(Failure::TimedOut { .. })),
        "{result:?}"
    );
    assert_eq!(&part.unwrap().body[..], b"{\"job_id\":\"7\"}");
}

#[tokio::test]
async fn a_whole_answer_and_no_answer_have_no_part() {
    let whole = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let silent = answering("").await;
    for address in [whole, silent] {
        let request = get(address, Connection::Fresh);
        assert!(transport(1).exchange(request).await.part.is_none());
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_before_the_request_is_read_counts_as_broken() {
    let (address, _) = server(|stream| async move { drop(stream) }).await;
    let failure = fetch(address).await.unwrap_err();
    assert!(matches!(failure, Failure::Broken { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_server_that_hangs_runs_into_the_time_out() {
    let (address, accepted) = server(|mut stream| async move {
        request_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let hurried = transport(300);
    let failure = hurried
        .send(get(address, Connection::Fresh))
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::TimedOut { .. }), "{failure:?}");
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_that_drips_runs_into_the_same_time_out() {
    let (address, _) = server(|mut stream| async move {
        request_head(&mut stream).await;
        let mut chunk = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            chunk = "x";
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let hurried = transport(300);
    let failure = hurried
        .send(get(address, Connection::Fresh))
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::TimedOut { .. }), "{failure:?}");
}

fn megabytes(count: usize, length_given: bool) -> Vec<u8> {
    let body = vec![b'x'; count << 20];
    let length = if length_given {
        format!("Content-Length: {}\r\n", body.len())
    } else {
        String::new()
    };
    [
        format!("HTTP/1.1 500 Oops\r\n{length}\r\n").into_bytes(),
        body,
    ]
    .concat()
}

#[rstest]
#[case(true)]
#[case(false)]
#[tokio::test]
async fn ten_megabytes_are_read_and_forty_are_not(#[case] length_given: bool) {
    let response = fetch(answering(megabytes(10, length_given)).await)
        .await
        .unwrap();
    assert_eq!(response.body.len(), 10 << 20);
    let failure = fetch(answering(megabytes(40, length_given)).await).await;
    let expected = Failure::TooLarge {
        status: 500,
        limit: BODY_LIMIT,
    };
    assert_eq!(failure.unwrap_err(), expected);
}
