//! The routes of the link shortener: HTTP on one side, [`Links`] on the other.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    links::{Link, Links, NewLink, NotMade, Page},
    pages::front_page,
    problems::{Fault, Problem},
};

const MAX_LIMIT: usize = 100;

type Shared = State<Arc<Links>>;
type Parameters = Query<Vec<(String, String)>>;

/// Makes the service that serves these links.
pub fn router(links: Arc<Links>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/health", get(health))
        .route("/links", get(list).post(create))
        .route("/links/{code}", get(show).delete(delete))
        .route("/{code}", get(follow).head(peek))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "nothing is served at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path is served for other methods")
        })
        .with_state(links)
}

async fn front(State(links): Shared, Query(parameters): Parameters) -> Result<Html<String>, Problem> {
    let page = links.page(MAX_LIMIT, parameter(&parameters, "after")).await?;
    Ok(Html(front_page(&page)))
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn create(State(links): Shared, body: Bytes) -> Result<Response, Problem> {
    let new = NewLink::read(&body).map_err(Problem::unprocessable)?;
    match links.add(new).await {
        Ok(link) => {
            let location = header(&format!("/links/{}", link.code))?;
            Ok((StatusCode::CREATED, [(LOCATION, location)], Json(link)).into_response())
        }
        Err(NotMade::Taken(code)) => {
            Err(Problem::new(StatusCode::CONFLICT, format!("the code '{code}' is taken; choose another or leave it out")))
        }
        Err(NotMade::Failed(error)) => Err(error.into()),
    }
}

async fn list(State(links): Shared, Query(parameters): Parameters) -> Result<Json<Page>, Problem> {
    let limit = match parameter(&parameters, "limit") {
        None => 20,
        Some(text) => limit(&text).ok_or_else(|| {
            let wanted = format!("an integer from 1 to {MAX_LIMIT}");
            Problem::unprocessable(vec![Fault::query("limit", &text, wanted)])
        })?,
    };
    Ok(Json(links.page(limit, parameter(&parameters, "after")).await?))
}

async fn show(State(links): Shared, Path(code): Path<String>) -> Result<Json<Link>, Problem> {
    existing(&links, &code).await.map(Json)
}

async fn delete(State(links): Shared, Path(code): Path<String>) -> Result<StatusCode, Problem> {
    if links.remove(&code).await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_link(&code)) }
}

async fn follow(State(links): Shared, Path(code): Path<String>) -> Result<Response, Problem> {
    let link = reachable(&links, &code).await?;
    links.count_click(&code).await?;
    redirect(&link)
}

async fn peek(State(links): Shared, Path(code): Path<String>) -> Result<Response, Problem> {
    redirect(&reachable(&links, &code).await?)
}

async fn existing(links: &Links, code: &str) -> Result<Link, Problem> {
    links.find(code).await?.ok_or_else(|| no_link(code))
}

async fn reachable(links: &Links, code: &str) -> Result<Link, Problem> {
    let link = existing(links, code).await?;
    match &link.expires_at {
        Some(moment) if links.is_expired(&link) => {
            Err(Problem::new(StatusCode::GONE, format!("the link '{code}' expired at {moment}")))
        }
        _ => Ok(link),
    }
}

fn no_link(code: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("no link has the code '{code}'"))
}

fn redirect(link: &Link) -> Result<Response, Problem> {
    Ok((StatusCode::FOUND, [(LOCATION, header(&link.url)?)]).into_response())
}

/// URLs and codes are checked to be printable ASCII before they are kept.
fn header(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the link leads to no URL"))
}

fn parameter(parameters: &[(String, String)], name: &str) -> Option<String> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn limit(text: &str) -> Option<usize> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| is_number && (1..=MAX_LIMIT).contains(limit))
}
